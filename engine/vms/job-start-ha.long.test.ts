import { jobRounds } from '../../test/support/job-rounds.ts';
import { suite } from '../../test/support/suite.ts';
import { vmScenarios } from '../../test/support/vm-scenarios.ts';

const test = suite('starting and rebooting an HA VM survives everything', { deadlineMs: 40_000 });
jobRounds(test, vmScenarios(true).start);
jobRounds(test, vmScenarios(true).reboot);
test.run();
