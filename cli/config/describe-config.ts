/** Writes `docs/config.md` from the declarations, so that it cannot drift from the program. */
import type { ConfigDef } from './config-def.ts';
import { variableOf } from './load-config.ts';

const HEAD = `# Configuration

Outrigger reads a \`.properties\` file (\`outrigger start --config FILE\`). Each key can be
overridden by an environment variable: \`OUTRIGGER_\`, then the key in capitals with \`_\` for each
dot (\`${variableOf('wal.linger.ms')}\` for \`wal.linger.ms\`). A key that is not in this list,
or a value that is not allowed, ends the start with a message that names them all.

This page is generated from the program: \`npm run docs\`.

| key | takes | default | |
|---|---|---|---|
`;

/** @returns the page in Markdown */
export function describeConfig(def: ConfigDef): string {
  const rows = Object.entries(def).map(([name, { allowed, defaultText, doc }]) => {
    const shown =
      defaultText === undefined
        ? '**required**'
        : defaultText === ''
          ? '(empty)'
          : `\`${defaultText}\``;
    return `| \`${name}\` | ${allowed} | ${shown} | ${doc} |\n`;
  });
  return HEAD + rows.join('');
}
