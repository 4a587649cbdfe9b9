/** Lists of domains: which entry is one, and which addresses belong to it. */
const LABEL = /^[\p{L}\p{Nd}](?:[\p{L}\p{Nd}_-]{0,61}[\p{L}\p{Nd}])?$/u;

/** Null when the entry is a domain alone; else a sentence that says what to write instead. */
export function findDomainProblem(entry: string): string | null {
  const scheme = /^[a-z][a-z\d+.-]*:\/\//i.exec(entry)?.[0] ?? "";
  const rest = entry.slice(scheme.length);
  const host = (/^[^/?#]*/.exec(rest)?.[0] ?? "").replace(/^\*\./, "").replace(/:\d+$/, "");
  const example = isDomain(host) ? host.toLowerCase() : "example.com";
  if (scheme !== "") return `Write the domain without "${scheme}" and without a path: "${example}"`;
  if (/[/?#]/.test(entry)) return `Write the domain without a path: "${example}"`;
  if (entry.includes("*"))
    return `Write the domain without "*": "${example}" includes its subdomains`;
  if (/:\d+$/.test(entry)) return `Write the domain without a port: "${example}"`;
  return isDomain(entry) ? null : `Write a domain such as "${example}"`;
}

export function isAllowed(
  url: string,
  lists: { allowedDomains: readonly string[]; blockedDomains: readonly string[] },
): boolean {
  const host = hostOf(url);
  if (host === null) return false;
  const { allowedDomains, blockedDomains } = lists;
  if (allowedDomains.length > 0 && !allowedDomains.some((domain) => isUnder(host, domain)))
    return false;
  return !blockedDomains.some((domain) => isUnder(host, domain));
}

function hostOf(url: string): string | null {
  if (!URL.canParse(url)) return null;
  return new URL(url).hostname.toLowerCase().replace(/\.$/, "");
}

function isUnder(host: string, domain: string): boolean {
  // The same spelling as a URL's host: lower case, punycode.
  const wanted = hostOf(`https://${domain}`) ?? domain.toLowerCase();
  return host === wanted || host.endsWith(`.${wanted}`);
}

function isDomain(text: string): boolean {
  const labels = text.replace(/\.$/, "").split(".");
  return text.length <= 253 && labels.every((label) => LABEL.test(label));
}
