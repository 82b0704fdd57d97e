/** Light, dark, or as the system has it. public/theme.js applies the stored choice before the first paint. */
export const themeChoices = ['system', 'light', 'dark'] as const;
export type ThemeChoice = (typeof themeChoices)[number];
const key = 'trefoil.theme';

export class Theme {
  choice = $state<ThemeChoice>(themeChoices.find((known) => known === localStorage.getItem(key)) ?? 'system');

  set(choice: ThemeChoice): void {
    this.choice = choice;
    if (choice === 'system') {
      localStorage.removeItem(key);
      delete document.documentElement.dataset['theme'];
    } else {
      localStorage.setItem(key, choice);
      document.documentElement.dataset['theme'] = choice;
    }
  }
}
