import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { timings, watchdogProofMs } from './timings.ts';

const test = suite('the times of HA');

test('a host is called silent only after several probes were lost, and not later than its lease ends', () => {
  assert.ok(timings.silentMs >= 4 * timings.probeMs);
  assert.ok(timings.silentMs <= timings.leaseMs);
});

test('a host stops starting before it ends what runs, and ends it before its watchdog bites', () => {
  assert.ok(timings.stopStartingMs < timings.selfStopMs);
  assert.ok(timings.killMs < timings.watchdogMs);
});

test('a loop that runs in time is never taken for one that stood still, and one that stood still is seen before others call it silent', () => {
  assert.ok(timings.stallMs >= 2 * timings.loopMs);
  assert.ok(timings.stallMs < timings.silentMs);
});

test('the watchdog is a proof only after all that it waits for has passed', () => {
  assert.ok(
    watchdogProofMs(timings, timings.watchdogMs) > timings.selfStopMs + timings.killMs + timings.watchdogMs,
  );
});

test('an engine that stands still is back in a minute, and a disk stall of a failover is no standstill', () => {
  const agentPatienceMs = 7_000;
  const emulatedBootMs = 45_000;
  const { engineSilentMs, loopMs } = timings;
  assert.ok(agentPatienceMs + engineSilentMs + 2 * loopMs + emulatedBootMs < 60_000);
  // The channel alone is silent only after 5 s.
  assert.ok(5_000 + engineSilentMs > 2 * 4_000);
});

test('an engine has the time to boot, and systemd in its VM the time to bring it back, before its VM is started again', () => {
  assert.ok(timings.engineDownMs > 20_000 && timings.engineDownMs > timings.engineSilentMs);
  assert.ok(timings.engineUnreadyMs > 4 * 102_000);
  assert.ok(timings.engineBackOffMs.slice(1).every((ms) => ms >= 45_000));
});

test.run();
