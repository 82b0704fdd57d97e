import * as assert from 'uvu/assert';
import { FakeLibvirt } from '../../test/fakes/libvirt/server.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { makeLog } from '../log/log.ts';
import { libvirtClient } from './client.ts';
import { lifecycleOf } from './constants.ts';
import { Link, type LinkOptions } from './link.ts';

const test = suite('libvirt link');

const xml = (name: string, uuid: string): string =>
  `<domain><name>${name}</name><uuid>${uuid}</uuid></domain>`;
const idOf = (number: number): string => `00000000-0000-0000-0000-${String(number).padStart(12, '0')}`;

async function withLink(
  body: (context: { daemon: FakeLibvirt; link: Link; seen: string[]; log: string[] }) => Promise<void>,
  options: Partial<LinkOptions> = {},
): Promise<void> {
  const daemon = await FakeLibvirt.start();
  const seen: string[] = [];
  const log: string[] = [];
  const link = new Link(
    { log: makeLog('test', (line) => log.push(line)) },
    {
      socketPath: daemon.socketPath,
      uri: 'qemu:///system',
      events: ['lifecycle', 'reboot'],
      retryMs: { first: 10, longest: 20 },
      ...options,
    },
    {
      async resync(caller) {
        const domains = await libvirtClient(caller).listDomains();
        seen.push(`resync ${domains.map((domain) => domain.name).join(',')}`);
      },
      event(event) {
        if (event.kind === 'lifecycle')
          seen.push(`${event.domain.name} ${lifecycleOf(event.event, event.detail).name}`);
        else seen.push(event.kind);
        if (event.kind === 'reboot') throw new Error('a listener with a bug');
      },
      down: (why) => seen.push(why.code),
    },
  );
  try {
    await body({ daemon, link, seen, log });
  } finally {
    await link.close();
    await daemon.stop();
  }
}

test('reads the world first, then tells what changes', async () => {
  await withLink(async ({ daemon, link, seen }) => {
    daemon.world.start(xml('old', idOf(1)));
    const client = libvirtClient(link);
    const created = await client.createXml(xml('new', idOf(2)));
    await client.destroy(created);
    await eventually('events came', () => seen.length === 3);
    assert.equal(seen, ['resync old', 'new started', 'new stopped']);
  });
});

test('connects again after a crash of the daemon and reads what happened meanwhile', async () => {
  await withLink(async ({ daemon, link, seen }) => {
    const client = libvirtClient(link);
    await client.createXml(xml('a', idOf(1)));
    daemon.hangUp();
    daemon.world.start(xml('b', idOf(2)));
    await eventually('resynced', () => seen.includes('resync a,b'));
    assert.equal(seen, ['resync ', 'a started', 'libvirt.connection-lost', 'resync a,b']);
    assert.equal((await client.listDomains()).length, 2);
    await client.createXml(xml('c', idOf(3)));
    await eventually('events come again', () => seen.includes('c started'));
  });
});

test('a call waits for a link that is down, but not for ever', async () => {
  await withLink(
    async ({ daemon, link }) => {
      await libvirtClient(link).listDomains();
      await daemon.stop();
      await eventually('down', () => link.state !== 'up');
      const started = performance.now();
      try {
        await libvirtClient(link).listDomains();
        assert.unreachable();
      } catch (error) {
        assert.instance(error, AppError);
        assert.is((error as AppError).code, 'libvirt.connection-lost');
        assert.ok(performance.now() - started >= 100);
      }
    },
    { waitMs: 120 },
  );
});

test('a call that was under way is not repeated', async () => {
  await withLink(async ({ daemon, link }) => {
    const client = libvirtClient(link);
    await client.listDomains();
    daemon.faults.createXml = [{ kind: 'hang-up-after' }];
    try {
      await client.createXml(xml('a', idOf(1)));
      assert.unreachable();
    } catch (error) {
      assert.is((error as AppError).code, 'libvirt.connection-lost');
    }
    // It was done all the same: whoever asked finds out by looking.
    assert.equal(
      (await client.listDomains()).map((domain) => domain.name),
      ['a'],
    );
    assert.is(daemon.calls.filter((name) => name === 'createXml').length, 1);
  });
});

test('a listener with a bug costs a line in the log, not the connection', async () => {
  await withLink(async ({ daemon, link, seen, log }) => {
    const client = libvirtClient(link);
    const domain = await client.createXml(xml('a', idOf(1)));
    await client.reboot(domain, 0);
    await eventually('seen', () => seen.includes('reboot'));
    assert.is(link.state, 'up');
    assert.ok(log.some((line) => line.includes('a listener with a bug')));
    assert.is(daemon.connections, 1);
  });
});

test('an unknown event is logged', async () => {
  await withLink(async ({ daemon, link, log }) => {
    await libvirtClient(link).listDomains();
    daemon.sendMessage(9999, Buffer.alloc(4));
    await eventually('logged', () => log.some((line) => line.includes('not known here')));
    assert.is(link.state, 'up');
  });
});

test('a resync that fails is tried again', async () => {
  await withLink(async ({ daemon, link, seen }) => {
    await libvirtClient(link).listDomains();
    daemon.faults.listAllDomains = [{ kind: 'error', error: { code: 1 } }, { kind: 'short' }];
    daemon.hangUp();
    await eventually('resynced', () => seen.filter((line) => line.startsWith('resync')).length === 2);
    await libvirtClient(link).listDomains();
  });
});

test.run();
