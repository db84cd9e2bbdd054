import everpost from './nodemailer.js';

export default everpost;
export { everpost };
export const { EverpostTransport } = everpost;
