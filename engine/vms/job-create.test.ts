import { jobRounds } from '../../test/support/job-rounds.ts';
import { suite } from '../../test/support/suite.ts';
import { createScenario } from '../../test/support/vm-scenarios.ts';

const test = suite('creating a VM survives everything', { deadlineMs: 40_000 });
jobRounds(test, createScenario(false));
test.run();
