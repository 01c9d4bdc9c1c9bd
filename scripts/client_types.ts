/**
 * The types of a module's public API as one file that imports nothing.
 *
 * @module
 */
import ts from "typescript";

/** A declaration as the compiler emits it. */
interface Declaration {
  readonly name: string;
  /** Of the source, not of what was emitted. */
  readonly path: string;
  readonly node: ts.DeclarationStatement | ts.VariableStatement;
  readonly file: ts.SourceFile;
}

/** What a name means in a file: a declaration of some file, under its name there. */
interface Origin {
  readonly path: string;
  readonly name: string;
}

/**
 * The declarations that `entry` exports and those they need, with their comments. What they need but `entry`
 * does not export is there without `export`. Members that are private or marked `@ignore` are left out.
 *
 * @param entry The path of a module of the program.
 * @throws Error where two of them have one name, or one is declared in a form that this does not know.
 */
export function publicTypes(program: ts.Program, entry: string): string {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  const module = source && checker.getSymbolAtLocation(source);
  if (!source || !module) throw new Error(`Cannot make types: not a module: ${entry}`);

  const emitted = emit(program);
  const exports = checker.getExportsOfModule(module);
  const exported = exports.map((symbol) => originOf(symbol, checker));
  // A class that is exported as a type only is no value that a user could import.
  const typesOnly = exports.filter((symbol) => isValue(symbol, checker) && isTypeOnly(symbol))
    .map(({ name }) => name);
  const isExported = ({ path, name }: Origin) =>
    exported.some((origin) => origin.path === path && origin.name === name);

  const found = new Map<string, Declaration>();
  const queue = [...exported];
  for (let origin = queue.shift(); origin; origin = queue.shift()) {
    const { path, name } = origin;
    const known = found.get(name);
    if (known && known.path !== path) {
      throw new Error(`Cannot make types: ${name} is declared twice: ${known.path}, ${path}`);
    }
    if (known) continue;
    const declaration = declarationOf(origin, emitted);
    found.set(name, declaration);
    if (!isComputed(declaration.node)) queue.push(...needsOf(declaration, program));
  }

  const texts = [...found.values()].map((declaration) => {
    const text = textOf(declaration, program);
    const { name } = declaration;
    const isOpen = isExported(declaration) && !typesOnly.includes(name);
    return isOpen ? text : text.replace(/^export /m, "");
  });
  // Without the last line all would be exported: a file of declarations exports by default.
  const last = typesOnly.length > 0 ? `export type { ${typesOnly.join(", ")} };` : "export {};";
  return [overview(source), ...texts, last].join("\n\n") + "\n";
}

/** The declaration files that the compiler makes, by the path of their source. */
function emit(program: ts.Program): Map<string, ts.SourceFile> {
  const files = new Map<string, ts.SourceFile>();
  const take: ts.WriteFileCallback = (name, text, _mark, _error, sources) => {
    const file = ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true);
    files.set(sources![0]!.fileName, file);
  };
  program.emit(undefined, take, undefined, true);
  return files;
}

/** Where a symbol is declared in the end, through imports and exports. */
function originOf(symbol: ts.Symbol, checker: ts.TypeChecker): Origin {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const [declaration] = target.declarations ?? [];
  if (!declaration || target.name !== symbol.name) {
    throw new Error(`Cannot make types: not found under one name: ${symbol.name}`);
  }
  return { path: declaration.getSourceFile().fileName, name: target.name };
}

function isValue(symbol: ts.Symbol, checker: ts.TypeChecker): boolean {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return Boolean(target.flags & ts.SymbolFlags.Value);
}

function isTypeOnly({ declarations = [] }: ts.Symbol): boolean {
  return declarations.some((each) =>
    ts.isExportSpecifier(each) && (each.isTypeOnly || each.parent.parent.isTypeOnly)
  );
}

function declarationOf({ path, name }: Origin, emitted: Map<string, ts.SourceFile>): Declaration {
  const file = emitted.get(path);
  for (const node of file?.statements ?? []) {
    if (isNamed(node, name)) return { name, path, node, file: file! };
  }
  throw new Error(`Cannot make types: no declaration of ${name} in ${path}`);
}

function isNamed(node: ts.Statement, name: string): node is Declaration["node"] {
  if (ts.isVariableStatement(node)) {
    return node.declarationList.declarations.some((each) => each.name.getText() === name);
  }
  const isDeclaration = ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) ||
    ts.isClassDeclaration(node) || ts.isFunctionDeclaration(node);
  return isDeclaration && node.name?.text === name;
}

/** What a declaration names that is declared in the program. */
function needsOf({ node, path }: Declaration, program: ts.Program): Origin[] {
  const checker = program.getTypeChecker();
  const scope = program.getSourceFile(path)!;
  const needs: Origin[] = [];
  visitPublic(node, (each) => {
    if (ts.isImportTypeNode(each)) {
      throw new Error(`Cannot make types: write down the type, and import it: ${each.getText()}`);
    }
    const name = nameOfType(each);
    const symbol = name && checker.resolveName(
      name,
      scope,
      ts.SymbolFlags.Type | ts.SymbolFlags.Value | ts.SymbolFlags.Alias,
      false,
    );
    const file = symbol && symbol.declarations?.[0]?.getSourceFile();
    if (file && !file.isDeclarationFile) needs.push(originOf(symbol, checker));
  });
  return needs;
}

function nameOfType(node: ts.Node): string | undefined {
  if (ts.isTypeReferenceNode(node)) return leftmost(node.typeName);
  if (ts.isTypeQueryNode(node)) return leftmost(node.exprName);
  if (ts.isExpressionWithTypeArguments(node)) return node.expression.getText();
  return undefined;
}

function leftmost(name: ts.EntityName): string {
  return ts.isIdentifier(name) ? name.text : leftmost(name.left);
}

function visitPublic(node: ts.Node, see: (node: ts.Node) => void): void {
  if (isHidden(node)) return;
  see(node);
  ts.forEachChild(node, (child) => visitPublic(child, see));
}

/** A member that users should not see. */
function isHidden(node: ts.Node): node is ts.ClassElement | ts.TypeElement {
  if (!ts.isClassElement(node) && !ts.isTypeElement(node)) return false;
  return node.name?.kind === ts.SyntaxKind.PrivateIdentifier ||
    Boolean(ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private) ||
    ts.getJSDocTags(node).some(({ tagName }) => tagName.text === "ignore");
}

/** `type Code = keyof typeof TABLE`: what it comes to is wanted, and not the table. */
function isComputed(node: ts.Node): node is ts.TypeAliasDeclaration {
  return ts.isTypeAliasDeclaration(node) && ts.isTypeOperatorNode(node.type) &&
    node.type.operator === ts.SyntaxKind.KeyOfKeyword && ts.isTypeQueryNode(node.type.type);
}

function textOf({ name, path, node, file }: Declaration, program: ts.Program): string {
  const from = docOf(node) ?? node.getStart();
  const cuts: { from: number; to: number; text: string }[] = [];
  if (isComputed(node)) {
    const union = members(name, path, program).map((each) => `\n    | ${JSON.stringify(each)}`);
    cuts.push({ from: node.type.getStart(), to: node.type.end, text: union.join("") });
  }
  if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node)) {
    for (const member of node.members.filter(isHidden)) {
      // With none at all anybody could call it.
      const text = ts.isConstructorDeclaration(member) ? "\n    private constructor();" : "";
      cuts.push({ from: member.pos, to: member.end, text });
    }
  }
  let text = "";
  let at = from;
  for (const cut of cuts) {
    text += file.text.slice(at, cut.from) + cut.text;
    at = cut.to;
  }
  text += file.text.slice(at, node.end);
  // Two spaces, as everywhere else.
  return text.replace(/= \n/, "=\n").replace(
    /^( {4})+/gm,
    (spaces) => " ".repeat(spaces.length / 2),
  );
}

/** Where the comment that documents a node begins. */
function docOf(node: ts.Node): number | undefined {
  const [first] = ts.getJSDocCommentsAndTags(node);
  return first && ts.isJSDoc(first) ? first.pos : undefined;
}

/** The strings that an alias in a file of the program stands for. */
function members(name: string, path: string, program: ts.Program): string[] {
  const alias = program.getSourceFile(path)!.statements.find((node) => isNamed(node, name));
  const type = program.getTypeChecker().getTypeAtLocation(alias!);
  return (type.isUnion() ? type.types : [type]).map((each) => {
    if (!each.isStringLiteral()) throw new Error(`Cannot make types: not only strings: ${name}`);
    return each.value;
  });
}

/** The comment that a module begins with. */
function overview(file: ts.SourceFile): string {
  const [comment] = ts.getLeadingCommentRanges(file.text, 0) ?? [];
  return comment ? file.text.slice(comment.pos, comment.end) : "";
}
