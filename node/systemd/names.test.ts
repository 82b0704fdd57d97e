import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { escapePath, mountUnitOf, unitObjectPath } from './names.ts';

const test = suite('systemd names');

test('paths, as systemd-escape --path writes them', () => {
  assert.is(escapePath('/'), '-');
  assert.is(escapePath('/var/lib/trefoil/volumes/data'), 'var-lib-trefoil-volumes-data');
  assert.is(escapePath('//var//x-y/'), 'var-x\\x2dy');
  assert.is(escapePath('/.hidden/a.b'), '\\x2ehidden-a.b');
  assert.is(escapePath('/ä b'), '\\xc3\\xa4\\x20b');
  assert.is(mountUnitOf('/var/lib/trefoil/bricks/main-1'), 'var-lib-trefoil-bricks-main\\x2d1.mount');
});

test('objects of units', () => {
  assert.is(unitObjectPath('dbus.service'), '/org/freedesktop/systemd1/unit/dbus_2eservice');
  assert.is(unitObjectPath('var-x\\x2dy.mount'), '/org/freedesktop/systemd1/unit/var_2dx_5cx2dy_2emount');
  assert.is(unitObjectPath('8a.service'), '/org/freedesktop/systemd1/unit/_38a_2eservice');
});

test.run();
