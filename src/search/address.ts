/**
 * Which network addresses a fetch may connect to: those of the public internet, by IANA's registries of
 * special addresses. With `private` also this machine's and the private network's, but never link-local ones
 * (cloud machines have their credentials there), multicast, or what is no address of a host.
 * https://www.iana.org/assignments/iana-ipv4-special-registry
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";

const PRIVATE_V4 = [
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
];
const NEVER_V4 = [
  "0.0.0.0/8",
  "169.254.0.0/16",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  // Alibaba Cloud's metadata service stands in the shared address space.
  "100.100.100.200/32",
];
const PRIVATE_V6 = ["::1/128", "fc00::/7"];
/** Inside 2000::/3: Teredo, ORCHID, documentation, 6to4. All else outside it is not the internet. */
const NEVER_V6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];
/** Amazon's metadata service has an address of the private range. */
const METADATA_V6 = ["fd00:ec2::/32", "fd20:ce::/32"];

const privateV4 = toList(PRIVATE_V4, "ipv4");
const neverV4 = toList(NEVER_V4, "ipv4");
const privateV6 = toList(PRIVATE_V6, "ipv6");
const neverV6 = toList(NEVER_V6, "ipv6");
const metadataV6 = toList(METADATA_V6, "ipv6");
const globalV6 = toList(["2000::/3"], "ipv6");

export function mayConnect(address: string, options: { private: boolean }): boolean {
  if (isIPv4(address)) {
    if (neverV4.check(address, "ipv4")) return false;
    return options.private || !privateV4.check(address, "ipv4");
  }
  if (!isIPv6(address) || address.includes("%")) return false;
  if (options.private && privateV6.check(address, "ipv6"))
    return !metadataV6.check(address, "ipv6");
  return globalV6.check(address, "ipv6") && !neverV6.check(address, "ipv6");
}

function toList(networks: readonly string[], family: "ipv4" | "ipv6"): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix = ""] = network.split("/");
    list.addSubnet(address, Number(prefix), family);
  }
  return list;
}
