/** For the chosen one of a row that scrolls sideways on small screens: `{@attach stayInView(chosen)}`. */
export const stayInView =
  (chosen: boolean) =>
  (node: HTMLElement): void => {
    const row = node.parentElement;
    if (!chosen || row === null || row.scrollWidth <= row.clientWidth) return;
    row.scrollLeft = node.offsetLeft - (row.clientWidth - node.clientWidth) / 2;
  };
/** For `{@attach takeFocus}`: the control that one is here for has the keyboard from the start. */
export const takeFocus = (node: HTMLElement): void => node.focus();

/** For what scrolls sideways when there is too little room: then the keyboard has to reach it, else it need not. */
export const scrollsByKeyboard = (node: HTMLElement): (() => void) => {
  const watcher = new ResizeObserver(() => {
    if (node.scrollWidth > node.clientWidth) node.tabIndex = 0;
    else node.removeAttribute('tabindex');
  });
  watcher.observe(node);
  return () => watcher.disconnect();
};
