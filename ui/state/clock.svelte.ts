/** One clock for all that says "3 min ago", so that the page agrees with itself and wakes up once every few seconds only. */
export class Clock {
  now = $state.raw(new Date());

  start(): () => void {
    const timer = setInterval(() => {
      this.now = new Date();
    }, 5000);
    return () => clearInterval(timer);
  }
}
