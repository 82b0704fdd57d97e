import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { guidePages, href, parseRoute, type Route, safeNext, storageTabs, vmTabs } from './route.ts';

const test = suite('route');

test('every route has an address that leads back to it', () => {
  const routes: Route[] = [
    { screen: 'home' },
    { screen: 'vms' },
    ...vmTabs.map((tab) => ({ screen: 'vm' as const, id: 'a b/c', tab })),
    { screen: 'console', id: 'x' },
    { screen: 'hosts' },
    { screen: 'host', id: 'x' },
    ...storageTabs.map((tab) => ({ screen: 'storage' as const, tab })),
    ...guidePages.map((page) => ({ screen: 'guide' as const, page })),
    { screen: 'events' },
    { screen: 'jobs' },
    { screen: 'settings' },
    { screen: 'login' },
  ];
  for (const route of routes) assert.equal(parseRoute(href(route)), route);
});

test('an address that is not ours is not found', () => {
  for (const path of ['/nope', '/vms/1/nope', '/vms/1/console/2', '/storage/nope', '/hosts/1/2', '/events/1'])
    assert.is(parseRoute(path).screen, 'not-found', path);
  assert.equal(parseRoute('/vms/%E0%A4%A'), { screen: 'vm', id: '%E0%A4%A', tab: 'overview' });
});

test('a login never leads to another site', () => {
  assert.is(safeNext('/vms?state=running'), '/vms?state=running');
  for (const next of [null, '//evil.example', 'https://evil.example', '/\\evil.example', '/login'])
    assert.is(safeNext(next), '/');
});

test.run();
