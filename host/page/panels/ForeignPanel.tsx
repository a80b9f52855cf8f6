import { useTheme2 } from '@grafana/ui';

/** In the place of a panel whose data source only a Grafana server has. */
export function ForeignPanel({ title, source }: { readonly title: string; readonly source: string }) {
  const theme = useTheme2();
  return (
    <section
      style={{
        flexGrow: 1,
        padding: theme.spacing(1.5),
        background: theme.colors.background.primary,
        border: `1px solid ${theme.colors.border.weak}`,
        borderRadius: theme.shape.radius.default,
      }}
    >
      <h2 style={{ fontSize: theme.typography.h6.fontSize, margin: 0 }}>{title}</h2>
      <p style={{ marginTop: theme.spacing(1), color: theme.colors.text.secondary }}>
        Asks a {source} data source. The plugin host has only Userpulse&apos;s own: Grafana draws this panel.
      </p>
    </section>
  );
}
