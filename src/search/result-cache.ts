/** Keeps values for a while: bounded in number and age, the least recently used one goes first. */
export interface ResultCache<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
}

export function createResultCache<Value>(
  { entries, lifeMs }: { entries: number; lifeMs: number },
  now: () => number = Date.now,
): ResultCache<Value> {
  const kept = new Map<string, { value: Value; until: number }>();
  return {
    get(key) {
      const entry = kept.get(key);
      if (entry === undefined) return undefined;
      kept.delete(key);
      if (entry.until <= now()) return undefined;
      kept.set(key, entry);
      return entry.value;
    },
    set(key, value) {
      if (lifeMs <= 0) return;
      kept.delete(key);
      kept.set(key, { value, until: now() + lifeMs });
      for (const oldest of kept.keys()) {
        if (kept.size <= entries) break;
        kept.delete(oldest);
      }
    },
  };
}
