import { jobRounds } from '../../test/support/job-rounds.ts';
import { suite } from '../../test/support/suite.ts';
import { vmScenarios } from '../../test/support/vm-scenarios.ts';

const test = suite('stopping and shutting down an HA VM survives everything', { deadlineMs: 40_000 });
jobRounds(test, vmScenarios(true).stop);
jobRounds(test, vmScenarios(true).shutdown);
test.run();
