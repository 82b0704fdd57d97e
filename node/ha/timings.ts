/**
 * All times of HA, in milliseconds. How they must stand to each other is said by `timings.test.ts`; what they were
 * measured by is in README.md.
 */
export type Timings = {
  /** each agent asks each other one on each network this often */
  probeMs: number;
  /** the loop, when nothing happens; a change in the store or of a VM wakes it */
  loopMs: number;
  /** not heard on any network for so long: the host is called silent */
  silentMs: number;
  /** of the etcd lease */
  leaseMs: number;
  /** without a word from etcd's majority for so long, a host starts nothing */
  stopStartingMs: number;
  /** ... and for so long, it ends its HA VMs */
  selfStopMs: number;
  /** ending a VM takes no longer; else the watchdog is let bite */
  killMs: number;
  watchdogMs: number;
  /** clocks of two machines run apart, and a machine takes its time to reset */
  marginMs: number;
  /** two ticks further apart than this: this agent stood still, what it remembers is old */
  stallMs: number;
  /** a host whose agent is gone but which answers is given so long for its agent to be started again */
  agentGraceMs: number;
  /** a host that is back must have been heard for so long before its fence is lifted */
  settledMs: number;
  /** a VM that neither end of its move has, or that waits there for its memory: given up after so long */
  lostMoveMs: number;
  /** a move of which nothing came to the target: forgotten after so long */
  idleMoveMs: number;
  /** a VM that ended is started in its place so often before its host gives it back */
  inPlaceTries: number;
  /** a VM that was up for so long has all its tries again */
  ranWellMs: number;
  /** waits before these tries; the last one for all further ones */
  backOffMs: readonly number[];
  /** an engine that stands still by both ways for so long is started again; a way takes 2 to 7 s to be called silent */
  engineSilentMs: number;
  /** its process or its database is away for so long: systemd in its VM had the time to bring it back */
  engineDownMs: number;
  /** it was not ready since its VM started, or has been starting since: something is wrong with it */
  engineUnreadyMs: number;
  /** its VM is started again in its place so often before another host takes it */
  engineTries: number;
  /** waits after a start before the next one of these; the last one for all further ones */
  engineBackOffMs: readonly number[];
  /** where nothing runs, all wait so long for the engine's VM */
  engineFirstMs: number;
  /** a VM that does not come up holds up those that start after it no longer */
  orderPatienceMs: number;
};

export const timings: Timings = {
  probeMs: 300,
  loopMs: 500,
  silentMs: 2_700,
  leaseMs: 3_000,
  stopStartingMs: 3_000,
  selfStopMs: 8_000,
  killMs: 4_000,
  watchdogMs: 20_000,
  marginMs: 5_000,
  stallMs: 1_500,
  agentGraceMs: 15_000,
  settledMs: 3_000,
  lostMoveMs: 10_000,
  idleMoveMs: 60_000,
  inPlaceTries: 3,
  ranWellMs: 600_000,
  backOffMs: [0, 2_000, 8_000, 30_000],
  // Frozen to started again: 7 + 5 + 1 s, which leaves 45 of 60 s to a boot (9 s with KVM, 30 - 45 s under emulation).
  // A disk stall of a failover is 4 s.
  engineSilentMs: 5_000,
  // Node and PostgreSQL start in 12 s under emulation, after a crash recovery in 20 s; four times that is a loaded host.
  engineDownMs: 60_000,
  // The slowest first boot that was measured, emulated on a busy machine, took 102 s.
  engineUnreadyMs: 600_000,
  engineTries: 3,
  engineBackOffMs: [0, 60_000, 120_000],
  // Its QEMU runs a second after its host has it; a cold start has 60 s for all VMs.
  engineFirstMs: 15_000,
  orderPatienceMs: 60_000,
};

/**
 * So long after its last sign of life a host with an armed watchdog is certainly reset: it may have fed the watchdog
 * for the last time when it gave up ending its VMs.
 */
export const watchdogProofMs = (it: Timings, watchdogMs: number): number =>
  it.selfStopMs + it.killMs + watchdogMs + it.marginMs;
