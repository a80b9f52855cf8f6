import type { EmbeddedScene } from '@grafana/scenes';
import { useEffect, useState } from 'react';

/** Activates a scene whose parts are drawn one by one; says whether it is active yet. */
export function useActive(scene: EmbeddedScene): boolean {
  const [active, setActive] = useState<EmbeddedScene>();
  useEffect(() => {
    const deactivate = scene.activate();
    setActive(scene);
    return deactivate;
  }, [scene]);
  return active === scene;
}
