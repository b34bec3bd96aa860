import SwaggerUI from 'swagger-ui'
import 'swagger-ui/dist/swagger-ui.css'
import { base } from '../lib/base'
import { applyTheme } from '../lib/theme'
import './docs.css'

// Its dark colours hang on a class of its own.
applyTheme((t) => document.documentElement.classList.toggle('dark-mode', t === 'dark'))

// Nothing here leaves this server: no validator, no code from elsewhere. A token that was entered is forgotten with the page.
SwaggerUI({
  dom_id: '#root',
  url: `${base}/openapi.yaml`,
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: 'none',
})
