import everpost from './nodemailer.js';

export default everpost;
export { everpost };
export import EverpostTransport = everpost.EverpostTransport;
export type Options = everpost.Options;
export type Login = everpost.Login;
export type SentMessageInfo = everpost.SentMessageInfo;
