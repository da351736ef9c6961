/** Line charts as SVG, one below the other: no more than a page of documentation needs. */

export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

export interface Chart {
  readonly title: string;
  readonly series: readonly Series[];
}

const WIDTH = 760;
const PANEL = { height: 190, left: 64, right: 150, top: 34, bottom: 28 } as const;
const COLORS = ['#1f6fb2', '#d1701a', '#2f8f4e', '#9a3fa0', '#5b6670'];
const GRID_LINES = 4;

/**
 * @param charts all over the same moments
 * @param moments on the horizontal axis
 * @param unit of the moments
 */
export function plot(charts: readonly Chart[], moments: readonly number[], unit: string): string {
  const height = charts.length * PANEL.height;
  const panels = charts.map((chart, index) => {
    return `<g transform="translate(0 ${index * PANEL.height})">${panel(chart, moments, unit)}</g>`;
  });
  const style = 'font-family="sans-serif" font-size="11" fill="#333"';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" ${style}>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...panels,
    '</svg>\n',
  ].join('\n');
}

function panel({ title, series }: Chart, moments: readonly number[], unit: string): string {
  const last = moments.at(-1) ?? 1;
  const top = roundUp(Math.max(1, ...series.flatMap(({ values }) => values)));
  const plotWidth = WIDTH - PANEL.left - PANEL.right;
  const plotHeight = PANEL.height - PANEL.top - PANEL.bottom;
  const x = (moment: number): string => (PANEL.left + (moment / last) * plotWidth).toFixed(1);
  const y = (value: number): string => (PANEL.top + (1 - value / top) * plotHeight).toFixed(1);
  const grid = Array.from({ length: GRID_LINES + 1 }, (_, line) => {
    const value = (top * line) / GRID_LINES;
    return [
      `<line x1="${x(0)}" x2="${x(last)}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>`,
      `<text x="${PANEL.left - 6}" y="${y(value)}" dy="4" text-anchor="end">${label(value)}</text>`,
    ].join('');
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const moment = share * last;
    const at = PANEL.height - PANEL.bottom + 15;
    const text = share === 1 ? `${label(moment)} ${unit}` : label(moment);
    return `<text x="${x(moment)}" y="${at}" text-anchor="middle">${text}</text>`;
  });
  const lines = series.map(({ name, values }, index) => {
    const color = COLORS[index % COLORS.length] ?? '#000';
    const points = values.map((value, at) => `${x(moments[at] ?? 0)},${y(value)}`).join(' ');
    const at = PANEL.top + 8 + index * 16;
    const left = WIDTH - PANEL.right + 12;
    return [
      `<polyline points="${points}" fill="none" stroke="${color}" stroke-width="1.8"/>`,
      `<rect x="${left}" y="${at - 4}" width="12" height="4" fill="${color}"/>`,
      `<text x="${left + 18}" y="${at + 2}">${name}</text>`,
    ].join('');
  });
  const heading = `<text x="${PANEL.left}" y="20" font-weight="bold">${title}</text>`;
  return [heading, ...grid, ...ticks, ...lines].join('\n');
}

/** @returns the next 1, 2 or 5 times a power of ten, in quarters that are round too */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 6, 8, 10].find((candidate) => candidate * power >= value) ?? 10;
  return step * power;
}

function label(value: number): string {
  if (value >= 10_000) return `${Number((value / 1_000).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
}
