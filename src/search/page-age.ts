/** A date as search results show it: `November 25, 2026`. Words such as `3 days ago` stay as they are. */
export function toPageAge(value: string | null | undefined): string | null {
  if (value === null || value === undefined || value.trim() === "") return null;
  const isDate = /^\d{4}-\d{2}-\d{2}|^\w{3}, \d{1,2} \w{3} \d{4}/.test(value);
  const time = isDate ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? value.slice(0, 60) : formatDate(time);
}

export function formatDate(time: number): string {
  return new Date(time).toLocaleDateString("en-US", {
    year: "numeric",
    month: "long",
    day: "numeric",
    timeZone: "UTC",
  });
}
