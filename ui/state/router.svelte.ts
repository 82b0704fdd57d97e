/** The address bar as state. Links are ordinary links; a click on one of ours is followed without loading the page. */
import { href, parseRoute, type Route } from '../lib/route.ts';

export class Router {
  path = $state(location.pathname);
  search = $state(location.search);
  hash = $state(location.hash);
  readonly route: Route = $derived(parseRoute(this.path));
  readonly params: URLSearchParams = $derived(new URLSearchParams(this.search));
  /** grows with each navigation to another screen: the shell then moves the focus to its heading */
  visits = $state(0);

  start(): () => void {
    const onPop = () => this.#read();
    const onClick = (event: MouseEvent) => this.#follow(event);
    addEventListener('popstate', onPop);
    document.addEventListener('click', onClick);
    return () => {
      removeEventListener('popstate', onPop);
      document.removeEventListener('click', onClick);
    };
  }

  go(to: Route | string, options: { replace?: boolean } = {}): void {
    const url = typeof to === 'string' ? to : href(to);
    if (url === this.path + this.search + this.hash) return;
    if (options.replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
    this.#read();
  }

  back(otherwise: Route): void {
    if (history.length > 1) history.back();
    else this.go(otherwise);
  }

  #read(): void {
    const samePath = this.path === location.pathname;
    this.path = location.pathname;
    this.search = location.search;
    this.hash = location.hash;
    if (samePath) return;
    this.visits += 1;
    scrollTo(0, 0);
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (link === null || link.target !== '' || link.hasAttribute('download')) return;
    const to = link.getAttribute('href');
    if (to === null || !to.startsWith('/') || to.startsWith('//') || to.startsWith('/api/')) return;
    event.preventDefault();
    this.go(to);
  }
}
