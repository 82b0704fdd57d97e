/** What concerns one thing (by its id) is done one after the other, in the order in which it was asked for. */
export type Turns = <T>(id: string, act: () => Promise<T>) => Promise<T>;

export function makeTurns(): Turns {
  const turns = new Map<string, Promise<void>>();
  return (id, act) => {
    const mine = (turns.get(id) ?? Promise.resolve()).then(act);
    const settled = mine.then(
      () => {},
      () => {},
    );
    turns.set(id, settled);
    void settled.then(() => {
      if (turns.get(id) === settled) turns.delete(id);
    });
    return mine;
  };
}
