/** Addresses of topics. */

export type Query = Record<string, string>;

/** A token may be a subprotocol if it is one by RFC 9110; any other goes into the address. */
export function asSubprotocol(value: string): string | null {
  return /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(value) ? `tiderace.token.${value}` : null;
}

export function topicPath(topics: string[], query: Query): string {
  // Positions are full of these, which a query may have as they are; three bytes for each reach the bound of a header early.
  const parameters = String(new URLSearchParams(query)).replaceAll("%3A", ":").replaceAll("%2C", ",");
  return `/v1/topics/${topics.map(encodeURIComponent).join(",")}?${parameters}`;
}
