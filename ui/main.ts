import { mount } from 'svelte';
import Root from './Root.svelte';
import { App } from './state/app.svelte.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/floating.css';

const target = document.getElementById('app');
if (target !== null) {
  const app = new App();
  mount(Root, { target, props: { app } });
}
