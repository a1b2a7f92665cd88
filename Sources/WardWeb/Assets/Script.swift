extension Assets {
    /// Passkeys, the idle lock, and pages that do not come back from the browser's memory; nothing is stored anywhere.
    static let scriptText = #"""
        'use strict';
        (() => {
          const bytes = text => Uint8Array.from(
            atob(text.replace(/-/g, '+').replace(/_/g, '/')), letter => letter.charCodeAt(0));
          const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer)))
            .replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

          // MARK: Passkeys

          const withIDs = list => (list || []).map(entry => ({ ...entry, id: bytes(entry.id) }));
          const creation = json => PublicKeyCredential.parseCreationOptionsFromJSON
            ? PublicKeyCredential.parseCreationOptionsFromJSON(json)
            : { ...json, challenge: bytes(json.challenge), user: { ...json.user, id: bytes(json.user.id) },
                excludeCredentials: withIDs(json.excludeCredentials) };
          const request = json => PublicKeyCredential.parseRequestOptionsFromJSON
            ? PublicKeyCredential.parseRequestOptionsFromJSON(json)
            : { ...json, challenge: bytes(json.challenge), allowCredentials: withIDs(json.allowCredentials) };

          // What the server reads, in the browser's own words or built by hand where it has none.
          const message = credential => {
            const response = credential.response;
            const json = { id: credential.id, rawId: text(credential.rawId), type: credential.type, response: {
              clientDataJSON: text(response.clientDataJSON) } };
            if (response.attestationObject) {
              json.response.attestationObject = text(response.attestationObject);
              json.response.transports = response.getTransports ? response.getTransports() : [];
            } else {
              json.response.authenticatorData = text(response.authenticatorData);
              json.response.signature = text(response.signature);
              if (response.userHandle) json.response.userHandle = text(response.userHandle);
            }
            return JSON.stringify(json);
          };

          const usePasskey = async form => {
            const complaint = form.querySelector('[role=alert]');
            complaint.hidden = true;
            try {
              const answer = await fetch(form.dataset.options, {
                method: 'POST', credentials: 'same-origin', cache: 'no-store',
                body: new URLSearchParams({ form: form.elements.form.value }) });
              if (!answer.ok) throw new Error('options');
              const json = await answer.json();
              const credential = form.dataset.passkey === 'create'
                ? await navigator.credentials.create({ publicKey: creation(json) })
                : await navigator.credentials.get({ publicKey: request(json) });
              form.elements.credential.value = message(credential);
              form.submit();
            } catch (error) {
              complaint.textContent = error.name === 'InvalidStateError'
                ? 'This device already has a passkey for this account.'
                : 'No passkey was used. Try again, or use another way.';
              complaint.hidden = false;
            }
          };

          if (window.PublicKeyCredential) {
            for (const form of document.querySelectorAll('form[data-passkey]')) {
              form.hidden = false;
              form.addEventListener('submit', event => { event.preventDefault(); usePasskey(form); });
            }
          }

          // MARK: Errors

          const errors = document.getElementById('errors');
          if (errors) errors.focus();

          // MARK: Printing

          if (document.querySelector('[data-print]')) window.print();

          // MARK: Pages from memory

          const blank = () => { document.body.classList.add('blank'); };
          window.addEventListener('pageshow', event => {
            if (event.persisted) { blank(); location.reload(); }
          });
          window.addEventListener('pagehide', event => { if (event.persisted) blank(); });

          // MARK: Idle lock

          const dialog = document.getElementById('idle');
          if (!dialog) return;
          const warning = 120;
          const shown = document.getElementById('idle-seconds');
          const stay = document.getElementById('idle-stay');
          const fields = () => new URLSearchParams({ form: dialog.dataset.form });
          let timer = 0;
          let locksAt = 0;

          // What was typed and not sent goes to the server, which keeps it until the person is back. Never a password.
          const secrets = 'input[type=password], input[name=credential], input[name=code]';
          let touched = null;
          document.addEventListener('input', event => {
            const form = event.target.form;
            if (form && form.method === 'post' && !form.querySelector(secrets)) touched = form;
          });
          document.addEventListener('submit', () => { touched = null; });
          const leave = place => { blank(); location.replace(place); };
          const lock = () => {
            if (!touched) return leave('/app/locked?back=' + encodeURIComponent(location.pathname));
            const keep = document.createElement('input');
            Object.assign(keep, { type: 'hidden', name: 'keep', value: '1' });
            touched.append(keep);
            blank();
            touched.submit();
          };
          const later = seconds => { clearTimeout(timer); timer = setTimeout(look, Math.max(1, seconds) * 1000); };

          const judge = answer => {
            if (answer.state === 'none') return leave('/sign-in');
            if (answer.state !== 'active') return lock();
            locksAt = Date.now() + answer.seconds * 1000;
            if (answer.seconds > warning) {
              if (dialog.open) dialog.close();
              return later(Math.min(answer.seconds - warning, 60));
            }
            shown.textContent = String(answer.seconds);
            if (!dialog.open) { dialog.showModal(); stay.focus(); }
            // Other tabs may have been used meanwhile.
            later(answer.seconds > 20 ? 10 : 1);
          };
          const ask = async options => {
            try {
              const answer = await fetch('/app/ping', { credentials: 'same-origin', cache: 'no-store', ...options });
              if (answer.status === 401) return lock();
              judge(await answer.json());
            } catch {
              // The server cannot be reached: the clock goes on here.
              if (locksAt && Date.now() >= locksAt) lock(); else later(10);
            }
          };
          const look = () => ask({});
          const keep = () => ask({ method: 'POST', body: fields() });

          // Keys and clicks are work on the page; told at most once a minute.
          let told = Date.now();
          const worked = () => {
            if (dialog.open || Date.now() - told < 60000) return;
            told = Date.now();
            keep();
          };
          for (const kind of ['keydown', 'pointerdown']) document.addEventListener(kind, worked, { passive: true });

          stay.addEventListener('click', keep);
          dialog.addEventListener('cancel', event => { event.preventDefault(); keep(); });
          dialog.addEventListener('click', event => { if (event.target === dialog) keep(); });
          document.getElementById('idle-lock').addEventListener('click', () => {
            if (touched) {
              fetch('/app/lock', { method: 'POST', credentials: 'same-origin', redirect: 'manual', body: fields() })
                .finally(lock);
              return;
            }
            const form = document.querySelector('form[action="/app/lock"]');
            blank();
            form.submit();
          });
          document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
          look();
        })();
        """#
}
