/**
 * Which members of the client a minified build may rename.
 *
 * Renaming goes by the name alone, in everything that is bundled. So a name may be changed only where nobody
 * outside of the bundle ever says it: not the platform, not the wire, not another tab, not the page. All that
 * might be said outside is kept; what is left is the client's own.
 *
 * @module
 */
import ts from "typescript";

/**
 * The members that are declared in `folder` and mean nothing outside of the program, sorted. Kept are
 *
 * - every name in a file of the program that is not in `folder`, and every name in `publicTypes`;
 * - the members of every type that is not of `folder` and that some expression has or is wanted to have, and
 *   all that the language itself may call;
 * - what is found on a value of which nothing is known, such as parsed JSON;
 * - the members, all the way down, of what is handed to somebody who takes anything (`JSON.stringify`,
 *   `postMessage`), of what something unknown is declared to be, and of what is looked through by computed names;
 * - names that are strings somewhere in the source.
 *
 * @param folder The folder of the client's own source, with a slash at the end.
 * @param publicTypes The types of the public API as one file.
 */
export function innerMembers(
  program: ts.Program,
  { folder, publicTypes }: { readonly folder: string; readonly publicTypes: string },
): string[] {
  const checker = program.getTypeChecker();
  const declared = new Set<string>();
  const kept = new Set<string>();
  const seen = new Set<ts.Type>();
  const opened = new Set<ts.Type>();
  const crossed = new Set<string>();
  /** What takes a type parameter and hands values of that type on to anybody. */
  const leaky = new Set<ts.Node>();
  const ids = new Map<ts.Type, number>();
  const idOf = (type: ts.Type) => ids.get(type) ?? ids.set(type, ids.size).size - 1;
  const isOwn = (symbol: ts.Symbol) =>
    symbol.declarations?.length &&
    symbol.declarations.every((each) => each.getSourceFile().fileName.startsWith(folder));

  /** Keeps the members of a type that are not the client's own. */
  function keepForeign(type: ts.Type): void {
    if (seen.has(type)) return;
    seen.add(type);
    if (type.isUnionOrIntersection()) type.types.forEach(keepForeign);
    for (const member of checker.getApparentType(type).getProperties()) {
      if (!isOwn(member)) kept.add(member.name);
    }
  }

  /** Keeps the members of a type, and of all that can be reached through them but for calls. */
  function keepAll(type: ts.Type): void {
    if (type.isTypeParameter()) {
      for (const { parent } of type.symbol.declarations ?? []) leaky.add(parent);
    }
    if (opened.has(type)) return;
    opened.add(type);
    keepForeign(type);
    if (type.isUnionOrIntersection()) type.types.forEach(keepAll);
    const { typeArguments = [] } = type as ts.TypeReference;
    for (const each of [...typeArguments, ...type.aliasTypeArguments ?? []]) keepAll(each);
    for (const { type: each } of checker.getIndexInfosOfType(type)) keepAll(each);
    for (const member of type.getProperties()) {
      if (!isOwn(member)) continue;
      kept.add(member.name);
      keepAll(checker.getTypeOfSymbol(member));
    }
  }

  /**
   * Keeps what leaves the program's knowledge where a value is taken for something of type `target`: own
   * members that the outside will look for, or own names for what came from there.
   */
  function cross(value: ts.Type, target: ts.Type): void {
    if (value === target) return;
    const pair = `${idOf(value)} ${idOf(target)}`;
    if (crossed.has(pair)) return;
    crossed.add(pair);
    if (isOpen(target, checker)) keepAll(value);
    // `as never` lies.
    if (isOpen(value, checker) || value.flags & ts.TypeFlags.Never) keepAll(target);
    if (value.isUnion()) return value.types.forEach((each) => cross(each, target));
    if (target.isUnion()) {
      if (target.types.includes(value)) return;
      return target.types.forEach((each) => cross(value, each));
    }
    const [from, to] = [isForeign(value), isForeign(target)];
    if (from && !to) keepAll(target);
    if (to && !from) keepAll(value);
    const { typeArguments: had = [] } = value as ts.TypeReference;
    const { typeArguments: wanted = [] } = target as ts.TypeReference;
    had.forEach((each, index) => wanted[index] && cross(each, wanted[index]));
    crossCalls(value, target);
    if (from || to) return;
    for (const member of target.getProperties()) {
      const own = value.getProperty(member.name);
      if (own) cross(checker.getTypeOfSymbol(own), checker.getTypeOfSymbol(member));
    }
  }

  function crossCalls(value: ts.Type, target: ts.Type): void {
    const had = value.getCallSignatures();
    target.getCallSignatures().forEach((wanted, index) => {
      const call = had[index];
      if (!call) return;
      call.parameters.forEach((parameter, place) => {
        const given = wanted.parameters[place];
        if (given) cross(checker.getTypeOfSymbol(given), checker.getTypeOfSymbol(parameter));
      });
      cross(call.getReturnType(), wanted.getReturnType());
    });
  }

  /** Whether some member of a type is not the client's own. */
  function isForeign(type: ts.Type): boolean {
    return type.getProperties().some((member) => !isOwn(member));
  }

  function visit(node: ts.Node): void {
    if (isMember(node) && ts.isIdentifier(node.name)) declared.add(node.name.text);
    if (ts.isStringLiteralLike(node) && !ts.isLiteralTypeNode(node.parent)) kept.add(node.text);
    if (ts.isPropertyAccessExpression(node)) keepUnknown(node.name.text, node.expression);
    if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      const name = node.propertyName ?? node.name;
      if (ts.isIdentifier(name)) keepUnknown(name.text, node.parent);
    }
    // `({ a } = value)`: its members have no symbols of their own.
    if (ts.isBinaryExpression(node) && ts.isObjectLiteralExpression(node.left)) {
      node.left.forEachChild((each) => each.forEachChild((name) => void kept.add(name.getText())));
    }
    if (ts.isElementAccessExpression(node) && !isIndex(node.argumentExpression, checker)) {
      keepAll(checker.getTypeAtLocation(node.expression));
    }
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const callee = checker.getResolvedSignature(node)?.declaration;
      const isUnknown = isOpen(checker.getTypeAtLocation(node.expression), checker);
      if (isUnknown || callee && (leaky.has(callee) || leaky.has(callee.parent))) {
        for (const [index, each] of (node.arguments ?? []).entries()) {
          const parameter = callee?.parameters[index];
          if (!isUnknown && parameter && !isGeneric(parameter, callee)) continue;
          keepAll(checker.getTypeAtLocation(each));
        }
      }
    }
    if (ts.isForInStatement(node)) keepAll(checker.getTypeAtLocation(node.expression));
    if (
      ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.InKeyword &&
      !ts.isStringLiteralLike(node.left)
    ) {
      keepAll(checker.getTypeAtLocation(node.right));
    }
    if (ts.isAsExpression(node) && !ts.isConstTypeReference(node.type)) {
      cross(
        checker.getTypeAtLocation(node.expression),
        checker.getTypeFromTypeNode(node.type),
      );
    }
    if (ts.isTypePredicateNode(node) && node.type) {
      const name = node.parameterName.getText();
      const value = ts.isFunctionLike(node.parent) &&
        node.parent.parameters.find((each) => each.name.getText() === name);
      const target = checker.getTypeFromTypeNode(node.type);
      value ? cross(checker.getTypeAtLocation(value), target) : keepAll(target);
    }
    if (isExpression(node)) {
      const type = checker.getTypeAtLocation(node);
      keepForeign(type);
      const wanted = isTakenApart(node) ? undefined : checker.getContextualType(node);
      if (wanted) {
        keepForeign(wanted);
        if (!isEmptyLiteral(node)) cross(type, wanted);
      }
    }
    ts.forEachChild(node, visit);
  }

  /** Keeps a name that is looked up on a value, unless it is known there, and of our own. */
  function keepUnknown(name: string, on: ts.Node): void {
    const type = checker.getNonNullableType(checker.getTypeAtLocation(on));
    const member = checker.getPropertyOfType(checker.getApparentType(type), name);
    if (!member || !isOwn(member)) kept.add(name);
  }

  keepNames(ts.createSourceFile("x.d.ts", publicTypes, ts.ScriptTarget.ES2022, true), kept);
  const own: ts.SourceFile[] = [];
  for (const file of program.getSourceFiles()) {
    // Its types stand for what the platform has.
    if (file.fileName.endsWith("/web_api.ts")) keepNames(file, kept);
    if (file.fileName.startsWith(folder)) own.push(file);
    else if (!file.isDeclarationFile || isOfLanguage(file)) keepNames(file, kept);
  }
  // Again where something was found to be leaky: its callers may have been seen before.
  for (let known = -1; known < leaky.size;) {
    known = leaky.size;
    own.forEach(visit);
  }
  return [...declared].filter((name) => !kept.has(name)).sort();
}

/** Whether a type says too little of what members its values have. */
function isOpen(type: ts.Type, checker: ts.TypeChecker, depth = 0): boolean {
  if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.NonPrimitive)) {
    return true;
  }
  if (type.isUnionOrIntersection()) return type.types.some((each) => isOpen(each, checker, depth));
  if (!(type.flags & ts.TypeFlags.Object)) return false;
  if (
    checker.getIndexInfosOfType(type).some(({ keyType }) => keyType.flags & ts.TypeFlags.String)
  ) {
    return true;
  }
  const isEmpty = type.getProperties().length === 0 && type.getCallSignatures().length === 0 &&
    type.getConstructSignatures().length === 0;
  if (isEmpty) return true;
  // unknown[], Promise<any> and the like.
  const { typeArguments = [] } = type as ts.TypeReference;
  return depth < 3 && typeArguments.some((each) => isOpen(each, checker, depth + 1));
}

/** The JavaScript library: the language calls some of its members itself, as `next` and `then`. */
function isOfLanguage({ fileName }: ts.SourceFile): boolean {
  return /\/lib\.(es|decorators)[^/]*\.d\.ts$/.test(fileName);
}

/** Every name of a file that stands where a member's may. */
function keepNames(file: ts.SourceFile, kept: Set<string>): void {
  const visit = (node: ts.Node): void => {
    const isText = ts.isStringLiteralLike(node) && !ts.isLiteralTypeNode(node.parent);
    const isParameter = ts.isParameter(node.parent ?? node) && ts.isIdentifier(node);
    if (isText || ts.isIdentifier(node) && !isParameter) kept.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
}

type Member = ts.Node & { readonly name: ts.PropertyName };

function isMember(node: ts.Node): node is Member {
  return ts.isPropertySignature(node) || ts.isMethodSignature(node) || ts.isAccessor(node) ||
    ts.isPropertyDeclaration(node) || ts.isMethodDeclaration(node) ||
    ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node) ||
    ts.isParameter(node) && ts.isParameterPropertyDeclaration(node, node.parent);
}

/** A place in a list, or a name that is written there. */
function isIndex(node: ts.Expression, checker: ts.TypeChecker): boolean {
  return ts.isStringLiteralLike(node) ||
    Boolean(checker.getTypeAtLocation(node).flags & ts.TypeFlags.NumberLike);
}

/** An expression that has a type: names of members, and of types, have none of their own. */
function isExpression(node: ts.Node): node is ts.Expression {
  if (!ts.isExpression(node)) return false;
  const { parent } = node;
  if (ts.isIdentifier(node)) {
    return !(ts.isPropertyAccessExpression(parent) && parent.name === node);
  }
  return true;
}

/** `const { a } = value`: what is wanted there says no more than the names of the pattern. */
function isTakenApart({ parent }: ts.Expression): boolean {
  return (ts.isVariableDeclaration(parent) || ts.isParameter(parent)) && !parent.type &&
      !ts.isIdentifier(parent.name) ||
    ts.isBindingElement(parent) && !ts.isIdentifier(parent.name);
}

/** Whether the type of a parameter depends on a type parameter of its function or class, as far as it says. */
function isGeneric(
  parameter: ts.Node & { readonly type?: ts.TypeNode | undefined },
  callee: ts.Node & { readonly typeParameters?: readonly ts.Node[] | undefined },
): boolean {
  if (!parameter.type) return true;
  const owners = [callee, callee.parent as typeof callee];
  const names = owners.flatMap(({ typeParameters = [] }) =>
    typeParameters.flatMap((each) => ts.isTypeParameterDeclaration(each) ? each.name.text : [])
  );
  const mentions = (node: ts.Node): boolean =>
    ts.isIdentifier(node) && names.includes(node.text) ||
    (ts.forEachChild(node, (each) => mentions(each) || undefined) ?? false);
  return mentions(parameter.type);
}

/** `{}` or `[]`: as a value it has no members, though as a type it may have any. */
function isEmptyLiteral(node: ts.Expression): boolean {
  return ts.isObjectLiteralExpression(node) && node.properties.length === 0 ||
    ts.isArrayLiteralExpression(node) && node.elements.length === 0;
}
