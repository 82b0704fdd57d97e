/** Which member to ask first: the last one that answered, then those not known to be bad, then the rest. */
export type Endpoints = {
  order(): string[];
  good(endpoint: string): void;
  bad(endpoint: string): void;
  /** milliseconds since this endpoint last answered; undefined when it never did or has failed since */
  ageOfGood(endpoint: string): number | undefined;
};

/** After this a member that failed is no longer put last. */
const forgiveAfterMs = 10_000;

export function makeEndpoints(clock: { now(): number }, all: readonly string[]): Endpoints {
  const failedAt = new Map<string, number>();
  const goodAt = new Map<string, number>();
  let preferred = all[0];
  const isBad = (endpoint: string) => {
    const at = failedAt.get(endpoint);
    return at !== undefined && clock.now() - at < forgiveAfterMs;
  };
  return {
    order() {
      const rank = (endpoint: string) => (isBad(endpoint) ? 2 : endpoint === preferred ? 0 : 1);
      return [...all].sort((a, b) => rank(a) - rank(b));
    },
    good(endpoint) {
      failedAt.delete(endpoint);
      goodAt.set(endpoint, clock.now());
      preferred = endpoint;
    },
    bad(endpoint) {
      goodAt.delete(endpoint);
      failedAt.set(endpoint, clock.now());
    },
    ageOfGood(endpoint) {
      const at = goodAt.get(endpoint);
      return at === undefined ? undefined : clock.now() - at;
    },
  };
}
