import { jobRounds } from '../../test/support/job-rounds.ts';
import { suite } from '../../test/support/suite.ts';
import { vmScenarios } from '../../test/support/vm-scenarios.ts';

const test = suite('moving an HA VM survives everything', { deadlineMs: 40_000 });
jobRounds(test, vmScenarios(true).migrate);
test.run();
