extension Assets {
    /// System fonts, both colour schemes, focus that can be seen, readable from 320 px to a wide screen.
    static let stylesheetText = """
        :root {
          color-scheme: light dark;
          --ground: #fff; --text: #1a2230; --soft: #56606f; --line: #8a94a3; --panel: #f1f4f8;
          --accent: #0b5cad; --on-accent: #fff; --bad: #a51d1d; --bad-ground: #fdf0f0;
          --demo: #ffd65c; --on-demo: #221a00; --alarm: #9b1c1c; --on-alarm: #fff;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #12161d; --text: #e7ebf1; --soft: #a9b3c1; --line: #6d7888; --panel: #1c222c;
            --accent: #7db8f5; --on-accent: #0a1523; --bad: #ff9a94; --bad-ground: #2d1717;
          }
        }
        * { box-sizing: border-box; }
        [hidden] { display: none !important; }
        html { font: 100%/1.5 system-ui, sans-serif; }
        body { margin: 0; background: var(--ground); color: var(--text); overflow-wrap: anywhere; }
        body.blank > * { display: none; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        .skip { position: absolute; left: -100rem; }
        .skip:focus { left: .5rem; top: .5rem; padding: .5rem 1rem; background: var(--ground); z-index: 1; }
        .demo { margin: 0; padding: .4rem 1rem; text-align: center; font-weight: 600;
          background: var(--demo); color: var(--on-demo); }
        header { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: center;
          padding: .5rem 1rem; background: var(--panel); border-bottom: 1px solid var(--line); }
        header p { margin: 0; }
        .clinic { font-weight: 700; }
        .who { margin-left: auto !important; color: var(--soft); }
        nav ul { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0; padding: 0; list-style: none; }
        nav a { display: inline-block; padding: .6rem 0; }
        nav a[aria-current] { color: var(--text); font-weight: 600; text-decoration: none; }
        main { max-width: 44rem; margin: 0 auto; padding: 1rem 1rem 4rem; }
        main:focus { outline: none; }
        h1 { font-size: 1.6rem; line-height: 1.2; margin: 1rem 0; }
        h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
        a { color: var(--accent); }
        .field { margin: 0 0 1rem; }
        label { display: block; font-weight: 600; }
        .hint { margin: 0; color: var(--soft); }
        .error { margin: 0; color: var(--bad); font-weight: 600; }
        input:not([type=checkbox], [type=radio]), textarea { width: 100%; max-width: 26rem; min-height: 2.75rem; padding: .4rem .6rem;
          font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 4px; }
        textarea { display: block; max-width: none; resize: vertical; }
        input[aria-invalid], textarea[aria-invalid] { border: 2px solid var(--bad); }
        .box { display: flex; gap: .6rem; align-items: flex-start; padding: .35rem 0; font-weight: 400; }
        .box input { width: 1.25rem; height: 1.25rem; flex: none; margin: .15rem 0 0; }
        fieldset { margin: 0 0 1rem; padding: .5rem 1rem; border: 1px solid var(--line); border-radius: 4px; }
        legend { font-weight: 600; padding: 0 .3rem; }
        button, .button { display: inline-block; min-height: 2.75rem; padding: .5rem 1.2rem; font: inherit;
          font-weight: 600; text-decoration: none; color: var(--on-accent); background: var(--accent);
          border: 1px solid var(--accent); border-radius: 4px; cursor: pointer; }
        button.quiet { color: var(--accent); background: transparent; }
        button.danger { color: var(--bad); background: transparent; border-color: var(--bad); }
        form { margin: 0 0 1rem; }
        header form, td form { margin: 0; display: inline-block; }
        header button, td button { min-height: 2.25rem; padding: .25rem .8rem; }
        .emergency { flex-basis: 100%; padding: .4rem .8rem; border-radius: 4px; color: var(--on-alarm);
          background: var(--alarm); }
        .emergency a { color: inherit; }
        .facts th { width: 10rem; }
        .facts td { overflow-wrap: anywhere; }
        .errors { padding: .25rem 1rem; margin: 0 0 1.5rem; border: 2px solid var(--bad); border-radius: 4px;
          background: var(--bad-ground); }
        .errors h2 { margin: .5rem 0 0; }
        table { width: 100%; border-collapse: collapse; }
        th, td { text-align: left; vertical-align: top; padding: .5rem .5rem .5rem 0;
          border-bottom: 1px solid var(--line); }
        /* Words stay whole in tables, which get room for it instead. */
        th, td { overflow-wrap: break-word; }
        th, td button, td time { white-space: nowrap; }
        main:has(table) { max-width: 58rem; }
        .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 12rem), 1fr)); gap: 0 1rem; }
        .filter { padding: 1rem 1rem .25rem; margin: 1rem 0; background: var(--panel); border-radius: 4px; }
        .filter summary { padding: .6rem 0; cursor: pointer; }
        .filter .field { margin: 0 0 .75rem; }
        select { width: 100%; max-width: 26rem; min-height: 2.75rem; padding: .4rem .6rem; font: inherit; color: inherit;
          background: var(--ground); border: 1px solid var(--line); border-radius: 4px; }
        main:has(.wide) { max-width: 80rem; }
        .paper { display: none; }
        .secret, .codes { font-family: ui-monospace, monospace; font-size: 1.05rem; }
        .secret { padding: .75rem 1rem; background: var(--panel); border-radius: 4px; }
        dialog { max-width: 26rem; color: inherit; background: var(--ground); border: 2px solid var(--accent);
          border-radius: 6px; }
        dialog::backdrop { background: rgb(0 0 0 / .6); }
        @media (max-width: 36rem) {
          thead { position: absolute; left: -100rem; }
          tr, td { display: block; }
          tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
          td { border: 0; padding: .15rem 0; }
          .facts th { border: 0; padding: 0; }
          td[data-label]:not([data-label=""])::before { content: attr(data-label) ": "; color: var(--soft); }
          .who { margin-left: 0 !important; }
        }
        @media print {
          header, .skip, button, dialog, .screen { display: none; }
          .paper { display: block !important; }
          main { max-width: none; padding: 0; }
        }
        """
}
