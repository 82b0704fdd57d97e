const common = [
  'password',
  'passw0rd',
  'letmein',
  'welcome',
  'qwertyuiop',
  'qwertzuiop',
  'administrator',
  'changeme',
  'iloveyou',
  'trefoil',
  '1234567890',
  '0987654321',
];
const shortest = 10;
const fewestDifferent = 5;

/** Why a password is too weak for the one account that may do everything, or undefined. Never repeats the password. */
export function passwordProblem(password: string, notIn: readonly string[]): string | undefined {
  if (password.startsWith('CHANGE: ')) return "The admin's password is still the example's.";
  if (password.length < shortest) return `The admin's password is shorter than ${shortest} characters.`;
  if (new Set(password).size < fewestDifferent)
    return `The admin's password has fewer than ${fewestDifferent} different characters.`;
  const plain = password.toLowerCase();
  // What is left when a known word is taken out must still be a password of some length.
  for (const word of [...common, ...notIn.map((name) => name.toLowerCase())]) {
    if (word.length < 4 || !plain.includes(word)) continue;
    if (plain.length - word.length < 6)
      return common.includes(word)
        ? `The admin's password is hardly more than a common one.`
        : `The admin's password is hardly more than a name from these answers.`;
  }
  return undefined;
}
