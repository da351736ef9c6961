/**
 * Commands that come from the system's package manager. A missing one is installed with apt where
 * that is possible; where it is not, the error says what to install.
 */
import { step } from './progress.ts';
import { commandPath, runOrThrow } from './process.ts';

const LINE_MAX = 70;

/** Packages of Debian and Ubuntu by the command that they bring. */
const PACKAGES = {
  java: 'default-jdk-headless',
  javac: 'default-jdk-headless',
  mvn: 'maven',
  'redis-server': 'redis-server',
  kcat: 'kcat',
  openssl: 'openssl',
} as const;

export type SystemCommand = keyof typeof PACKAGES;

// Another apt may be at work, and a progress bar is of no use to a pipe.
const APT_OPTIONS = ['-o', 'DPkg::Lock::Timeout=600', '-o', 'Dpkg::Use-Pty=0'];

/**
 * Makes sure that commands are in the PATH.
 * @throws when one is missing and cannot be installed here
 */
export async function ensureCommands(...commands: readonly SystemCommand[]): Promise<void> {
  const missing = commands.filter((command) => commandPath(command) === undefined);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((command) => PACKAGES[command]))];
  const reason = whyNotApt();
  if (reason !== undefined) {
    throw new Error(
      `${missing.join(', ')} not found, and ${reason}. Install what brings ` +
        `${missing.join(', ')} (Debian and Ubuntu: apt-get install ${packages.join(' ')}), ` +
        'see that the PATH has it, and run this again.',
    );
  }
  await step(`Installing ${packages.join(', ')} with apt`, async (report) => {
    const onLine = (line: string): void => {
      if (/^(Get:\d+|Unpacking|Setting up)\b/.test(line)) report(line.slice(0, LINE_MAX));
    };
    const apt = ['DEBIAN_FRONTEND=noninteractive', 'apt-get', ...APT_OPTIONS];
    await runOrThrow('env', [...apt, 'update'], { onLine });
    await runOrThrow('env', [...apt, 'install', '-y', '--no-install-recommends', ...packages], {
      onLine,
    });
  });
  const still = missing.filter((command) => commandPath(command) === undefined);
  if (still.length === 0) return;
  throw new Error(`apt installed ${packages.join(', ')}, but the PATH has no ${still.join(', ')}`);
}

function whyNotApt(): string | undefined {
  if (commandPath('apt-get') === undefined) return 'this system has no apt to install it with';
  if (process.getuid?.() !== 0) return 'installing it with apt needs root';
  return undefined;
}
