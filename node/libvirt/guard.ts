import { Duplex, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Log } from '../log/log.ts';
import { makePacket, type Packet, PacketSplitter, packetType } from './framing.ts';
import { program } from './procedures/shapes.ts';
import { procedures } from './procedures/table.ts';

/**
 * What the libvirt of another host asks of ours to bring a VM here: to introduce itself, to prepare, to finish. Seen
 * with libvirt 9 and 11; what newer ones might ask on the way (their identity, a name) is harmless and let through.
 */
const allowed: ReadonlySet<number> = new Set([
  procedures.authList.number,
  procedures.supportsFeature.number,
  procedures.open.number,
  procedures.close.number,
  procedures.getUri.number,
  procedures.getHostname.number,
  procedures.getVersion.number,
  procedures.getLibVersion.number,
  procedures.registerCloseCallback.number,
  procedures.unregisterCloseCallback.number,
  procedures.lookupByUuid.number,
  procedures.lookupByName.number,
  procedures.prepare3.number,
  procedures.finish3.number,
  419, // CONNECT_SET_IDENTITY
]);

const isAllowed = ({ header }: Packet): boolean =>
  header.program === program.keepAlive ||
  (header.program === program.remote && header.type === packetType.call && allowed.has(header.procedure));

/**
 * libvirt's socket is root on this host. Another host reaches it for a migration only, so only the calls of a migration
 * go through: anything else ends the connection before the daemon has seen a byte of it.
 */
export function onlyMigration(env: { log: Log }, daemon: Duplex): Duplex {
  const splitter = new PacketSplitter();
  const guard = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        for (const packet of splitter.push(chunk)) {
          if (!isAllowed(packet))
            throw new Error(
              `program ${packet.header.program} procedure ${packet.header.procedure} is refused`,
            );
          this.push(makePacket(packet.header, packet.payload));
        }
        done();
      } catch (error) {
        env.log.error('another host asked libvirt for more than a migration', error);
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
  });
  // A failure of either destroys the other; whoever holds the result sees it there.
  pipeline(guard, daemon).catch(() => {});
  return Duplex.from({ writable: guard, readable: daemon });
}
