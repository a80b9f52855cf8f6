/** A share id is a BSON ObjectId: its first 8 hex characters are the second in which it was made. */
export function shareCreated(shareId: string): Date | undefined {
  return /^[0-9a-f]{24}$/.test(shareId) ? new Date(Number.parseInt(shareId.slice(0, 8), 16) * 1000) : undefined;
}
