/** The client's mark for prompt caching, as far as it is one; what it may say is the upstream's to judge. */
export function cacheControl(block: object): { cache_control?: object } {
  const mark = "cache_control" in block ? block.cache_control : null;
  return typeof mark === "object" && mark !== null ? { cache_control: mark } : {};
}
