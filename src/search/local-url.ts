/**
 * Addresses of indexed documents: `https://local.curta.invalid/prices/2026/tech.csv`.
 *
 * Clients want an https address; `.invalid` never resolves (RFC 2606), so nobody else can own one of these,
 * and the path begins at the indexed folder's name, so that no path of the machine is told.
 */
export const LOCAL_HOST = "local.curta.invalid";

export function toLocalUrl(collection: string, path: string): string {
  const parts = [collection, ...path.split("/")].map(encodeURIComponent);
  return `https://${LOCAL_HOST}/${parts.join("/")}`;
}

export function isLocalUrl(url: string): boolean {
  return URL.canParse(url) && new URL(url).hostname === LOCAL_HOST;
}
