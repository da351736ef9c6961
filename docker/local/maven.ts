/**
 * Files from Maven Central, through Maven, so that a mirror in the user's settings is respected.
 */
import { mkdir } from 'node:fs/promises';
import { runOrThrow } from './process.ts';
import { ensureCommands } from './system-packages.ts';

// Named with its version, or Maven asks which is the newest and the answer changes over time.
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy';

/**
 * Runs Maven, installing it if it is missing.
 * @param report is told how many files have come so far
 */
export async function maven(
  args: readonly string[],
  report: (state: string) => void = () => {},
): Promise<void> {
  await ensureCommands('mvn');
  let files = 0;
  await runOrThrow('mvn', ['-B', ...args], {
    onLine: (line) => {
      if (!line.includes('Downloaded from') && !line.includes('Copying ')) return;
      files += 1;
      report(`${files} files`);
    },
  });
}

/**
 * Downloads one artifact, without what it depends on.
 * @param coordinates as Maven writes them: group:artifact:version[:packaging[:classifier]]
 * @param intoDir receives the file under its own name
 */
export async function downloadArtifact(
  coordinates: string,
  intoDir: string,
  report?: (state: string) => void,
): Promise<void> {
  await mkdir(intoDir, { recursive: true });
  await maven([COPY, `-Dartifact=${coordinates}`, `-DoutputDirectory=${intoDir}`], report);
}
