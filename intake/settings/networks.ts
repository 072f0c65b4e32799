import { BlockList, isIP } from 'node:net';

/** Addresses and ranges (`10.1.2.3`, `10.1.2.0/24`, `fd00::/8`), or undefined if one of them is none. */
export function networkList(networks: readonly string[]): BlockList | undefined {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix, ...more] = network.split('/');
    const family = isIP(address);
    if (family === 0 || more.length > 0) return undefined;
    const type = family === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, type);
    else {
      const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : NaN;
      if (!(bits >= 0 && bits <= (family === 6 ? 128 : 32))) return undefined;
      list.addSubnet(address, bits, type);
    }
  }
  return list;
}

/** Whether the address of a client is in the list; IPv4 in its IPv6 form counts as IPv4. */
export function isIn(list: BlockList, address: string): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain);
  return family !== 0 && list.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}
