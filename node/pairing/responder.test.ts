import { randomBytes, randomUUID } from 'node:crypto';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { hostIdSchema } from '../contract/ids.ts';
import type { Join } from '../contract/pairing.ts';
import { silentLog } from '../log/log.ts';
import { beginExchange, type Exchange, finishExchange, finishText, type SharedKeys } from './exchange.ts';
import { makeResponder, type PairingChannel, pairingLimits } from './responder.ts';

const test = suite('pairing: the host');
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const hostId = hostIdSchema.parse(randomUUID());
const join: Join = {
  clusterId: randomUUID(),
  clusterName: 'office',
  hostName: 'host1',
  certificate: 'a certificate',
  caCertificate: 'an authority',
};

const newChannel = (): PairingChannel => ({
  binding: {
    exporter: randomBytes(32),
    initiatorFingerprint: randomBytes(32),
    responderFingerprint: randomBytes(32),
  },
});

function fixture() {
  let now = 0;
  const joins: Join[] = [];
  let joined = false;
  let codes = 0;
  const responder = makeResponder({
    now: () => now,
    random: randomBytes,
    log: silentLog,
    host: {
      id: hostId,
      joined: () => joined,
      csr: async () => 'a request',
      join: async (given) => {
        if (given.certificate === 'unfit')
          throw new AppError({ code: 'membership.unfit', family: 'invalid', message: 'no' });
        joins.push(given);
        joined = true;
      },
      look: async (question) => {
        if (question.ask === 'preflight')
          throw new AppError({ code: 'x.y', family: 'unavailable', message: 'not now' });
        return { name: 'host1' };
      },
    },
  });
  responder.onCode(() => codes++);
  return {
    responder,
    joins,
    codes: () => codes,
    pass: (ms: number) => {
      now += ms;
    },
    setJoined: (value: boolean) => {
      joined = value;
    },
  };
}

type Begun = { session: string; mine: Exchange; share: string };
function begin(code: string, channel: PairingChannel): Begun {
  const sid = randomBytes(16);
  const mine = beginExchange(code, channel.binding, sid, randomBytes(64));
  return { session: hexOf(sid), mine, share: hexOf(mine.share) };
}

function startWith(f: ReturnType<typeof fixture>, channel: PairingChannel, code = f.responder.status().code) {
  const { session, mine, share } = begin(code, channel);
  const reply = f.responder.start(channel, { session, share });
  const keys = finishExchange(mine, Buffer.from(reply.share, 'hex'), 'initiator') as SharedKeys;
  return { session, keys, reply, sure: reply.confirmation === hexOf(keys.responderTag) };
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'no error';
}

async function confirmed(f: ReturnType<typeof fixture>, channel = newChannel()) {
  const { session, keys, sure } = startWith(f, channel);
  assert.ok(sure);
  const reply = await f.responder.confirm(channel, { session, confirmation: hexOf(keys.initiatorTag) });
  assert.is(reply.mac, keys.mac('csr', hostId, 'a request'));
  const finish = (over: Partial<Join> = {}) => {
    const fields = { session, ...join, ...over };
    return { ...fields, mac: keys.mac('finish', finishText(fields)) };
  };
  return { channel, session, keys, finish };
}

test('the right code: both are sure of each other, the host joins, the code is spent', async () => {
  const f = fixture();
  const before = f.responder.status().code;
  const { channel, finish } = await confirmed(f);
  await f.responder.finish(channel, finish());
  assert.equal(f.joins, [join]);
  assert.is(f.codes(), 1);
  assert.is.not(f.responder.status().code, before);
  assert.is(await codeOf(() => startWith(f, newChannel())), 'pairing.already-joined');
  f.setJoined(false);
  assert.not(startWith(f, newChannel(), before).sure, 'the spent code works no more');
});

test('a wrong code: neither confirmation fits, and a try is gone', async () => {
  const f = fixture();
  const channel = newChannel();
  const { session, keys, sure } = startWith(f, channel, 'WRNGWRNG');
  assert.not(sure);
  assert.is(f.responder.status().triesLeft, 4);
  const confirm = () => f.responder.confirm(channel, { session, confirmation: hexOf(keys.initiatorTag) });
  assert.is(await codeOf(confirm), 'pairing.wrong-code');
  assert.is(await codeOf(confirm), 'pairing.unknown', 'there is one confirmation for each start');
});

test('the code matters, the channel matters, each certificate matters', () => {
  const f = fixture();
  const channel = newChannel();
  for (const part of ['exporter', 'initiatorFingerprint', 'responderFingerprint'] as const) {
    const elsewhere = { binding: { ...channel.binding, [part]: randomBytes(32) } };
    const { session, mine, share } = begin(f.responder.status().code, elsewhere);
    const reply = f.responder.start(channel, { session, share });
    const keys = finishExchange(mine, Buffer.from(reply.share, 'hex'), 'initiator') as SharedKeys;
    assert.is.not(reply.confirmation, hexOf(keys.responderTag), part);
    f.responder.closed(channel);
  }
});

test('after five tries there is another code, and the right one of before is worth nothing', async () => {
  const f = fixture();
  const before = f.responder.status().code;
  for (let i = 0; i < 5; i++) {
    const channel = newChannel();
    startWith(f, channel, 'WRNGWRNG');
    assert.is(f.responder.status().code, before);
    f.responder.closed(channel);
  }
  assert.is.not(f.responder.status().code, before);
  assert.is(f.responder.status().triesLeft, 5);
  assert.is(f.codes(), 1);
  assert.not(startWith(f, newChannel(), before).sure);
});

test('a fifth try that is under way may still be the right one', async () => {
  const f = fixture();
  for (let i = 0; i < 4; i++) {
    const channel = newChannel();
    startWith(f, channel, 'WRNGWRNG');
    f.responder.closed(channel);
  }
  const channel = newChannel();
  const { session, keys } = startWith(f, channel);
  assert.is(f.responder.status().triesLeft, 0);
  assert.is(await codeOf(() => startWith(f, newChannel())), 'pairing.too-many-tries');
  await f.responder.confirm(channel, { session, confirmation: hexOf(keys.initiatorTag) });
  assert.is(f.responder.status().triesLeft, 5);
  assert.is(f.codes(), 0);
});

test('tries that are never confirmed count too', () => {
  const f = fixture();
  const before = f.responder.status().code;
  for (let i = 0; i < 5; i++) {
    startWith(f, newChannel(), 'WRNGWRNG');
    f.pass(pairingLimits.startedMs);
  }
  assert.is.not(f.responder.status().code, before);
});

test('no more than a few runs at once, and no more than a few a minute', async () => {
  const f = fixture();
  for (let i = 0; i < pairingLimits.sessions; i++) startWith(f, newChannel());
  assert.is(await codeOf(() => startWith(f, newChannel())), 'pairing.too-many-tries');
  f.pass(pairingLimits.startedMs);
  const many = fixture();
  let done = 0;
  for (let i = 0; i < 30; i++) {
    const channel = newChannel();
    if ((await codeOf(() => startWith(many, channel))) === 'no error') done++;
    many.responder.closed(channel);
  }
  assert.is(done, pairingLimits.starts);
  many.pass(pairingLimits.startEveryMs);
  assert.is(await codeOf(() => startWith(many, newChannel())), 'no error');
  assert.is(await codeOf(() => startWith(many, newChannel())), 'pairing.too-many-tries');
});

test('a message that was heard is worth nothing again, and nothing on another connection', async () => {
  const f = fixture();
  const channel = newChannel();
  const { session, share, mine } = begin(f.responder.status().code, channel);
  const reply = f.responder.start(channel, { session, share });
  assert.is(await codeOf(() => f.responder.start(channel, { session, share })), 'pairing.replayed');
  const keys = finishExchange(mine, Buffer.from(reply.share, 'hex'), 'initiator') as SharedKeys;
  const confirmation = hexOf(keys.initiatorTag);
  assert.is(
    await codeOf(() => f.responder.confirm(newChannel(), { session, confirmation })),
    'pairing.unknown',
  );
  await f.responder.confirm(channel, { session, confirmation });
  assert.is(await codeOf(() => f.responder.confirm(channel, { session, confirmation })), 'pairing.unknown');
  const stolen = { session, ...join, mac: keys.mac('finish', finishText({ session, ...join })) };
  assert.is(await codeOf(() => f.responder.finish(newChannel(), stolen)), 'pairing.unknown');
  assert.equal(f.joins, []);
});

test('the host reflects nothing: its own confirmation is not taken for the other', async () => {
  const f = fixture();
  const channel = newChannel();
  const { session, reply } = startWith(f, channel);
  assert.is(
    await codeOf(() => f.responder.confirm(channel, { session, confirmation: reply.confirmation })),
    'pairing.wrong-code',
  );
});

test('nothing is taken without confirmation, and nothing changed after it', async () => {
  const f = fixture();
  const channel = newChannel();
  const { session, keys } = startWith(f, channel);
  const early = { session, ...join, mac: keys.mac('finish', finishText({ session, ...join })) };
  assert.is(await codeOf(() => f.responder.finish(channel, early)), 'pairing.unknown');
  const run = await confirmed(f);
  const changed = { ...run.finish(), hostName: 'host2' };
  assert.is(await codeOf(() => f.responder.finish(run.channel, changed)), 'pairing.tampered');
  assert.equal(f.joins, []);
});

test('a certificate that does not fit leaves the host as it was; the right one can still come', async () => {
  const f = fixture();
  const { channel, finish } = await confirmed(f);
  assert.is(
    await codeOf(() => f.responder.finish(channel, finish({ certificate: 'unfit' }))),
    'membership.unfit',
  );
  assert.is(f.codes(), 0);
  await f.responder.finish(channel, finish());
  assert.is(f.joins.length, 1);
});

test('of two who both know the code the first wins, the other is told', async () => {
  const f = fixture();
  const one = await confirmed(f);
  const two = await confirmed(f);
  await f.responder.finish(two.channel, two.finish());
  assert.is(await codeOf(() => f.responder.finish(one.channel, one.finish())), 'pairing.already-joined');
  assert.is(f.joins.length, 1);
});

test('looking shows the host, says what failed, changes nothing, and keeps the run alive', async () => {
  const f = fixture();
  const { channel, session, keys, finish } = await confirmed(f);
  const look = async (ask: object) => {
    const question = JSON.stringify(ask);
    const reply = await f.responder.look(channel, { session, question, mac: keys.mac('question', question) });
    assert.is(reply.mac, keys.mac('answer', question, reply.answer));
    return JSON.parse(reply.answer);
  };
  for (let i = 0; i < 4; i++) {
    f.pass(pairingLimits.confirmedMs - 1);
    assert.equal(await look({ ask: 'host' }), { name: 'host1' });
  }
  assert.is((await look({ ask: 'preflight', request: { peers: [] } })).error.code, 'x.y');
  assert.is((await look({ ask: 'secrets' })).error.code, 'request.invalid');
  const question = '{"ask":"host"}';
  assert.is(
    await codeOf(() => f.responder.look(channel, { session, question, mac: keys.mac('answer', question) })),
    'pairing.tampered',
  );
  await f.responder.finish(channel, finish());
  assert.is(await codeOf(() => look({ ask: 'host' })), 'pairing.already-joined');
});

test('a run that nobody goes on with ends; the code stays', async () => {
  const f = fixture();
  const { channel, finish } = await confirmed(f);
  f.pass(pairingLimits.confirmedMs);
  assert.is(await codeOf(() => f.responder.finish(channel, finish())), 'pairing.unknown');
  assert.is(f.codes(), 0);
  assert.is(f.responder.status().triesLeft, 5);
});

test('shares that are no points are refused without telling anything', async () => {
  const f = fixture();
  for (const share of ['00'.repeat(32), 'ff'.repeat(32)])
    assert.is(
      await codeOf(() => f.responder.start(newChannel(), { session: hexOf(randomBytes(16)), share })),
      'pairing.wrong-code',
    );
  assert.is(f.responder.status().triesLeft, 5);
});

test.run();
