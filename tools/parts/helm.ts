import { fileURLToPath } from 'node:url';
import { findGoTool, goBuild, pinnedVersion } from './go-tool.ts';
import type { Progress } from '../progress.ts';

const MODULE = fileURLToPath(new URL('../helm', import.meta.url));
const HELM = 'helm.sh/helm/v4';

/** Path of Helm 4: `HELM`, PATH, our cache, or built into our cache from its Go module (about 4 minutes, once). */
export async function findHelm(progress: Progress): Promise<string> {
  const version = await pinnedVersion(MODULE, HELM);
  return findGoTool(
    {
      name: 'helm',
      variable: 'HELM',
      version,
      versionArgs: ['version', '--short'],
      accepts: (text) => text.startsWith('v4.'),
      build: (_folder, output, p) =>
        goBuild(
          {
            what: `helm ${version}`,
            module: MODULE,
            package: `${HELM}/cmd/helm`,
            output,
            flags: [`-ldflags=-s -w -X ${HELM}/internal/version.version=v${version}`],
          },
          p,
        ),
    },
    progress,
  );
}
