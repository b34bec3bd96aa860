export { default } from '../../clients/js/test/build.js'
