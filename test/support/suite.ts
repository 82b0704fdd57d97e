import { type Callback, suite as uvuSuite, test as uvuTest } from 'uvu';
import { AppError, errorChain } from '../../node/contract/error.ts';

export type TestBody = (context: { signal: AbortSignal }) => void | Promise<void>;
export type Suite = {
  (name: string, body: TestBody): void;
  (name: string, options: { deadlineMs: number }, body: TestBody): void;
  before(body: () => void | Promise<void>): void;
  after(body: () => void | Promise<void>): void;
  beforeEach(body: () => void | Promise<void>): void;
  afterEach(body: () => void | Promise<void>): void;
  run(): void;
};

/** uvu has no deadline of its own: a test that hangs would hang the run. Ends it, and says which. */
async function withDeadline(name: string, deadlineMs: number, body: TestBody): Promise<void> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`"${name}" did not finish within its deadline of ${deadlineMs} ms`);
      controller.abort(error);
      reject(error);
    }, deadlineMs);
  });
  try {
    await Promise.race([body({ signal: controller.signal }), deadline]);
  } catch (error) {
    // uvu cannot print an error whose `details` is no text: it would drop the failure and all tests after it.
    if (error instanceof AppError)
      throw new Error(`${errorChain(error)} ${JSON.stringify(error.details ?? {})}`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** A uvu suite in which every test has a deadline (10 s unless told) and gets an AbortSignal that fires at it. */
export function suite(title: string, defaults: { deadlineMs: number } = { deadlineMs: 10_000 }): Suite {
  const inner = title === '' ? uvuTest : uvuSuite(title);
  const [befores, afters]: [(() => void | Promise<void>)[], (() => void | Promise<void>)[]] = [[], []];
  // Part of the test: uvu would drop what a hook throws, and count the test as failed without a word.
  const around =
    (body: TestBody): TestBody =>
    async (context) => {
      const thrown: unknown[] = [];
      try {
        for (const before of befores) await before();
        await body(context);
      } catch (error) {
        thrown.push(error);
      }
      for (const after of afters) await (async () => after())().catch((error) => thrown.push(error));
      if (thrown.length > 0) throw thrown[0];
    };
  const add = (name: string, second: TestBody | { deadlineMs: number }, third?: TestBody) => {
    const body = typeof second === 'function' ? second : third;
    if (body === undefined) throw new Error(`test "${name}" has no body`);
    const { deadlineMs } = typeof second === 'function' ? defaults : second;
    inner(name, (() => withDeadline(name, deadlineMs, around(body))) as Callback<Record<string, unknown>>);
  };
  return Object.assign(add, {
    before: (body: () => void | Promise<void>) => inner.before(body),
    after: (body: () => void | Promise<void>) => inner.after(body),
    beforeEach: (body: () => void | Promise<void>) => void befores.push(body),
    afterEach: (body: () => void | Promise<void>) => void afters.push(body),
    run: () => inner.run(),
  });
}
