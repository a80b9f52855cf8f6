/** What a panel shows in place of a picture, as Grafana does; the panel's corner holds the error, where there is one. */
export function NoData() {
  return (
    <div
      data-testid="host-no-data"
      style={{ display: 'flex', alignItems: 'center', justifyContent: 'center', height: '100%', opacity: 0.7 }}
    >
      No data
    </div>
  );
}
