/** Platforms of a release, as Grafana names a plugin's binaries: `EXECUTABLE_OS_ARCH`, with `.exe` on Windows. */
export const PLATFORMS = ['linux_amd64', 'linux_arm64', 'darwin_amd64', 'darwin_arm64', 'windows_amd64.exe'] as const;

/** What a release must hold besides the binaries, the bundled dashboards and the pictures that plugin.json names. */
const REQUIRED = [
  'plugin.json',
  'module.js',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'go_plugin_build_manifest',
] as const;

/** The part of plugin.json that decides what a release holds. */
export interface PluginJson {
  readonly id: string;
  readonly executable: string;
  readonly info: {
    readonly version: string;
    readonly updated: string;
    readonly logos: { readonly small: string; readonly large: string };
    readonly screenshots?: readonly { readonly path: string }[];
  };
  readonly includes?: readonly { readonly type: string; readonly path?: string }[];
}

/** Whether a file of dist/ goes into the release: everything but binaries for other platforms than the release's. */
export function belongs(name: string, { executable }: PluginJson): boolean {
  return !name.startsWith(`${executable}_`) || PLATFORMS.some((platform) => name === `${executable}_${platform}`);
}

/** What keeps the files from being a release, as sentences; empty when nothing does. */
export function problems(names: ReadonlySet<string>, plugin: PluginJson, version: string): string[] {
  const found: string[] = [];
  const need = (name: string, why: string): void => {
    if (!names.has(name)) found.push(`dist/${name} is missing (${why}).`);
  };
  for (const name of REQUIRED) need(name, 'every release has it');
  for (const platform of PLATFORMS) need(`${plugin.executable}_${platform}`, 'the gateway');
  for (const { type, path } of plugin.includes ?? []) {
    if (type === 'dashboard' && path !== undefined) need(path, 'a bundled dashboard in plugin.json');
  }
  const pictures = [
    plugin.info.logos.small,
    plugin.info.logos.large,
    ...(plugin.info.screenshots ?? []).map(({ path }) => path),
  ];
  for (const path of new Set(pictures)) need(path, 'a picture in plugin.json');
  if (plugin.info.version !== version) {
    found.push(`dist/plugin.json says version ${plugin.info.version}, package.json says ${version}.`);
  }
  if (!/^\d{4}-\d{2}-\d{2}$/.test(plugin.info.updated))
    found.push(`dist/plugin.json says updated ${plugin.info.updated}, which is no date.`);
  return found;
}

/** Links and pictures of a README that lead nowhere in Grafana and in its catalogue, as sentences: both need whole addresses. */
export function readmeProblems(text: string): string[] {
  const code = /```[\s\S]*?```|`[^`\n]*`/g;
  return [...text.replace(code, '').matchAll(/\]\(([^)\s]+)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^(https:\/\/|#)/.test(target))
    .map((target) => `dist/README.md links to ${target}, which is no https:// address.`);
}
