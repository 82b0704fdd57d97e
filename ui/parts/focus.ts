/** For `{@attach takeFocus}`: the control that one is here for has the keyboard from the start. */
export const takeFocus = (node: HTMLElement): void => node.focus();
