import { jobRounds } from '../../test/support/job-rounds.ts';
import { maintenanceScenario } from '../../test/support/maintenance-scenario.ts';
import { suite } from '../../test/support/suite.ts';

const test = suite('maintenance of a host survives everything', { deadlineMs: 60_000 });
jobRounds(test, [maintenanceScenario]);
test.run();
