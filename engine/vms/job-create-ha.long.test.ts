import { jobRounds } from '../../test/support/job-rounds.ts';
import { suite } from '../../test/support/suite.ts';
import { createScenario } from '../../test/support/vm-scenarios.ts';

const test = suite('creating an HA VM survives everything', { deadlineMs: 40_000 });
jobRounds(test, createScenario(true));
test.run();
