// Languages that models of speech know, by their codes and English names.

const CODES = "ar bg bn ca cs cy da de el en es et eu fa fi fr gl gu he hi hr hu id is it ja ka kk ko lt lv mk ml mn mr ms nb nl pl pt ro ru sk sl sq sr sv sw ta te th tl tr uk ur vi zh";

const names = new Intl.DisplayNames(["en"], { type: "language" });

/** Pairs of code and name, in the order of the names. */
export const LANGUAGES = CODES.split(" ")
  .map((code) => [code, names.of(code)])
  .sort(([, one], [, other]) => one.localeCompare(other));
