// Elements are made here and filled with text nodes: nothing that the model or a session says is ever parsed as HTML.

export const byId = id => document.getElementById(id);

/** A new element. Properties are set as they are; `on` holds listeners; children are elements or text. */
export function make(tag, properties = {}, ...children) {
  const { on = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.filter(child => child !== null && child !== undefined && child !== ''));
  return element;
}

/** A button that asks once more before it acts. */
export function sureButton(label, question, act) {
  const button = make('button', { type: 'button', className: 'quiet danger', textContent: label });
  let timer = 0;
  const calm = () => {
    clearTimeout(timer);
    button.classList.remove('sure');
    button.textContent = label;
  };
  button.addEventListener('click', () => {
    if (button.classList.contains('sure')) {
      calm();
      act();
      return;
    }
    button.classList.add('sure');
    button.textContent = question;
    timer = setTimeout(calm, 4000);
  });
  button.addEventListener('blur', calm);
  return button;
}
