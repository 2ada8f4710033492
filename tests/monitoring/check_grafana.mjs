// Checks the Grafana dashboard against Grafana's own types. Each part of the dashboard becomes a TypeScript constant of its
// type, so the compiler reports unknown properties, missing properties and invalid values.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const FILE = process.argv[2] ?? fileURLToPath(new URL("../../docs/monitoring/grafana_dashboard.json", import.meta.url));
// A virtual file in this folder, so that imports are resolved from its node_modules.
const SOURCE = fileURLToPath(new URL("dashboard.generated.ts", import.meta.url));
const PANEL_TYPES = { stat: "Stat", timeseries: "TimeSeries" };
const COMPILER_OPTIONS = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  exactOptionalPropertyTypes: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  types: [],
};

// JSON contains the values of enums. Json<T> accepts these values in place of the enums.
const HEADER = `
import type { Dashboard, FieldConfigSource, Panel } from "@grafana/schema";
${Object.entries(PANEL_TYPES).map(([type, name]) => `import type * as ${name} from "@grafana/schema/dist/esm/raw/composable/${type}/panelcfg/x/${name}PanelCfg_types.gen";`).join("\n")}
type Json<T> = T extends string ? \`\${T}\`
  : T extends number ? (\`\${T}\` extends \`\${infer N extends number}\` ? N : never)
  : T extends (infer U)[] ? Json<U>[]
  : T extends object ? { [K in keyof T]: Json<T[K]> }
  : T;
type Some<T> = T extends unknown[] ? T : T extends object ? { [K in keyof T]?: Some<T[K]> } : T;
type Target = { refId: string; datasource: { type: "prometheus"; uid: string }; expr: string; legendFormat: string; instant?: boolean };
`;

function typed(name, type, value) {
  return `export const ${name}: ${type} = ${JSON.stringify(value, null, 2)};\n`;
}

function panelSource({ fieldConfig, options, targets, ...panel }, index) {
  const name = PANEL_TYPES[panel.type];
  if (!name) throw new Error(`Panel “${panel.title}” has the unknown type ${panel.type}. Add the type to PANEL_TYPES.`);
  const custom = name === "Stat" ? "Record<string, never>" : `Some<${name}.FieldConfig>`;
  return [
    typed(`panel${index}`, "Json<Panel>", panel),
    typed(`fieldConfig${index}`, `Json<FieldConfigSource<${custom}>>`, fieldConfig ?? { defaults: {}, overrides: [] }),
    typed(`options${index}`, `Json<Some<${name}.Options>>`, options ?? {}),
    typed(`targets${index}`, "Target[]", targets),
  ].join("");
}

function compile(source) {
  const host = ts.createCompilerHost(COMPILER_OPTIONS);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === SOURCE || fileExists(name);
  host.getSourceFile = (name, version) =>
    name === SOURCE ? ts.createSourceFile(name, source, version) : getSourceFile(name, version);
  return ts.getPreEmitDiagnostics(ts.createProgram([SOURCE], COMPILER_OPTIONS, host));
}

function describe({ file, start, messageText }, source) {
  const line = file ? source.slice(0, start).split("\n").length : 0;
  const text = ts.flattenDiagnosticMessageText(messageText, "\n  ");
  return `${file ? source.split("\n")[line - 1].trim() : ""}\n  ${text}`;
}

const { panels, ...dashboard } = JSON.parse(readFileSync(FILE, "utf8"));
const source = [HEADER, typed("dashboard", "Json<Dashboard>", dashboard), ...panels.map(panelSource)].join("\n");
const errors = compile(source);
for (const error of errors) console.error(describe(error, source));
console.log(`${FILE}: ${panels.length} panels, ${errors.length} errors`);
process.exitCode = errors.length ? 1 : 0;
