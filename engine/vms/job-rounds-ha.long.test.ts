import { jobRounds } from '../../test/support/job-rounds.ts';
import { suite } from '../../test/support/suite.ts';
import { createScenario, vmScenarios } from '../../test/support/vm-scenarios.ts';

/** In one file: what a process of its own would import takes longer than most rounds. */
const test = suite('what is done with HA VMs survives everything', { deadlineMs: 40_000 });
const { start, reboot, stop, shutdown, migrate, delete: remove } = vmScenarios(true);
jobRounds(test, [createScenario(true), start, reboot, stop, shutdown, migrate, remove]);
test.run();
