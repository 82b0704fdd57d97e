import { createSocket, type Socket } from 'node:dgram';
import type { Clock } from '../../clock/clock.ts';
import type { HostId } from '../../contract/ids.ts';
import type { Log } from '../../log/log.ts';
import type { Heard } from '../model.ts';
import type { Peer } from './picture.ts';
import { answerOf, newNumber, questionOf, readAnswer, readQuestion } from './probe.ts';

export type Prober = {
  heard(): ReadonlyMap<HostId, Heard>;
  /** when each network of each peer was heard last; for people */
  networks(): { host: HostId; address: string; heardMs: number | undefined }[];
  close(): void;
};

type ProberEnv = {
  self: HostId;
  clock: Clock;
  log: Log;
  port: number;
  probeMs: number;
  peers(): readonly Peer[];
  key(): Buffer | undefined;
  hasContact(): boolean;
  /** after each round, and when somebody is heard again */
  onRound(): void;
};

type Way = {
  host: HostId;
  address: string;
  socket: Socket;
  /** questions on their way, by number: when they were sent */
  asked: Map<string, number>;
  heardMs: number | undefined;
};

/** Answers that come later than this are of no use: the host would be called silent by then. */
const answerWithinMs = 2_500;

/** Asks each peer on each of its addresses, and answers those who ask. */
export function openProber(env: ProberEnv): Prober {
  const { clock, log } = env;
  const heard = new Map<HostId, Heard>();
  const ways = new Map<string, Way>();
  const server = createSocket({ type: 'udp4', reuseAddr: true });
  let closed = false;

  server.on('error', (error) => {
    log.error('probes cannot be answered', error);
    if (!closed) setTimeout(() => server.bind(env.port), 1_000).unref();
  });
  server.on('message', (datagram, from) => {
    const key = env.key();
    const question = key === undefined ? undefined : readQuestion(key, datagram);
    if (key === undefined || question === undefined || question.to !== env.self) return;
    const answer = answerOf(key, {
      from: env.self,
      to: question.from,
      number: question.number,
      hasContact: env.hasContact(),
    });
    server.send(answer, from.port, from.address, () => {});
  });
  server.bind(env.port);

  const listen = (way: Way) => {
    way.socket.on('message', (datagram) => {
      const key = env.key();
      const answer = key === undefined ? undefined : readAnswer(key, datagram);
      if (answer === undefined || answer.from !== way.host || answer.to !== env.self) return;
      const sentMs = way.asked.get(answer.number.toString('hex'));
      if (sentMs === undefined) return;
      way.asked.delete(answer.number.toString('hex'));
      way.heardMs = sentMs;
      const before = heard.get(way.host);
      // Alive when the question left: that is all that an answer proves.
      if (before === undefined || before.atMs < sentMs || before.answer === 'refused')
        heard.set(way.host, { atMs: sentMs, answer: 'agent', hasContact: answer.hasContact });
    });
    way.socket.on('error', (error: NodeJS.ErrnoException) => {
      // The machine says that nobody listens: it is there, its agent is not.
      if (error.code !== 'ECONNREFUSED') {
        // Its network was not there yet, say right after a boot: the next round opens it anew.
        const name = `${way.host} ${way.address}`;
        if (ways.get(name) !== way) return;
        ways.delete(name);
        way.socket.close();
        return;
      }
      const before = heard.get(way.host);
      const recent = before?.answer === 'agent' && clock.now() - before.atMs < 2 * env.probeMs;
      if (!recent) heard.set(way.host, { atMs: clock.now(), answer: 'refused', hasContact: false });
    });
  };

  const adjust = () => {
    const wanted = new Map<string, { host: HostId; address: string }>();
    for (const peer of env.peers())
      if (peer.id !== env.self)
        for (const address of peer.addresses) wanted.set(`${peer.id} ${address}`, { host: peer.id, address });
    for (const [name, way] of ways) {
      if (wanted.has(name)) continue;
      way.socket.close();
      ways.delete(name);
    }
    for (const [name, { host, address }] of wanted) {
      if (ways.has(name)) continue;
      const way: Way = {
        host,
        address,
        socket: createSocket('udp4'),
        asked: new Map(),
        heardMs: undefined,
      };
      ways.set(name, way);
      listen(way);
      // Connected, so that "nobody listens there" comes back as an error, and only this address may answer.
      way.socket.connect(env.port, address);
    }
  };

  const round = () => {
    adjust();
    const key = env.key();
    if (key !== undefined) for (const way of ways.values()) ask(way, key);
    env.onRound();
  };
  const ask = (way: Way, key: Buffer) => {
    const now = clock.now();
    for (const [number, sentMs] of way.asked) if (now - sentMs > answerWithinMs) way.asked.delete(number);
    const number = newNumber();
    way.asked.set(number.toString('hex'), now);
    try {
      way.socket.send(questionOf(key, { from: env.self, to: way.host, number }), () => {});
    } catch {
      // not connected yet, or the network is gone: no answer will come, and that says it
    }
  };
  const timer = setInterval(round, env.probeMs);

  return {
    heard: () => heard,
    networks: () => [...ways.values()].map(({ host, address, heardMs }) => ({ host, address, heardMs })),
    close() {
      closed = true;
      clearInterval(timer);
      for (const way of ways.values()) way.socket.close();
      server.close();
    },
  };
}
